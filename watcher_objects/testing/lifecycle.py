# SPDX-License-Identifier: Apache-2.0
"""A recorder of the transitions that a decision engine makes.

It sees the transitions of this process, in any thread, but not those of other processes or of an
RPC server.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from watcher_objects import events
from watcher_objects.base import WatcherPersistentObject
from watcher_objects.states import ActionPlanState, State

#: The states of objects that an engine is working on.
RUNNING = frozenset({State.ONGOING, ActionPlanState.CANCELLING})


class Move(NamedTuple):
    """A transition that was made or rejected; a creation has the initial state None."""

    initial: str | None
    new: str | None
    thread: str


class Life:
    """The transitions of one object."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.moves: list[Move] = []
        self.refusals: list[Move] = []

    def chain(self) -> list[Move]:
        """Return the transitions in the order in which they were made.

        Events of several threads may arrive in another order.
        """
        left, chain = list(self.moves), []
        reached = {move.new for move in left}
        at = next((move.initial for move in left if move.initial not in reached), None)
        while left:
            following = next((move for move in left if move.initial == at), left[0])
            left.remove(following)
            chain.append(following)
            at = following.new
        return chain

    def states(self) -> list[str]:
        """Return the states of the object, in order."""
        chain = self.chain()
        first = [chain[0].initial] if chain else []
        return [state for state in first + [move.new for move in chain] if state]

    def __str__(self) -> str:
        made = [f"{move.new} ({move.thread})" for move in self.chain() if move.initial]
        lines = [f"{self.label}: {' -> '.join(self.states()[:1] + made) or 'no transition'}"]
        lines += [f"  rejected: {r.initial} -> {r.new} ({r.thread})" for r in self.refusals]
        return "\n".join(lines)


class Lifecycle:
    """A context manager that records the transitions of audits, action plans and actions.

    At the end it raises AssertionError if a transition was rejected, or if an object was left
    running.
    """

    def __init__(self) -> None:
        self._lives: dict[str, Life] = {}
        self._may_be_refused: set[str | None] = set()
        self._may_be_left: set[str] = set()

    def __enter__(self) -> Self:
        self._end = events.subscribe(self._record, refusals=True)
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        self._end()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise AssertionError if a transition was rejected, or if an object was left running."""
        self.expect_no_refusal()
        self.expect_ended()

    def expect_no_refusal(self) -> None:
        """Raise AssertionError if a transition was rejected and not allowed to be."""
        allowed = self._may_be_refused
        self._expect(
            "a transition was rejected",
            lambda life: any(refusal.new not in allowed for refusal in life.refusals),
        )

    def expect_ended(self) -> None:
        """Raise AssertionError if an object went to ONGOING or CANCELLING and was left there.

        Objects that were created in such a state are ignored.
        """
        running = RUNNING - self._may_be_left
        self._expect(
            "an object was left running",
            lambda life: any(move.initial and move.new in running for move in life.chain()[-1:]),
        )

    def expect(self, obj: WatcherPersistentObject, *states: str) -> None:
        """Raise AssertionError if an object has not been in these states, in this order."""
        life = self._lives.get(obj.uuid) or Life(_label(obj))
        if life.states() != [*states]:
            raise AssertionError(f"Expected {' -> '.join(states)}\n{life}")

    def allow_refused(self, *states: str) -> None:
        """Allow transitions to these states to be rejected.

        If several engines claim one audit, all but one are rejected.
        """
        self._may_be_refused.update(states)

    def allow_left(self, *states: str) -> None:
        """Allow objects to be left in these states."""
        self._may_be_left.update(states)

    def _expect(self, fault: str, is_at_fault: Callable[[Life], object]) -> None:
        __tracebackhide__ = True
        if failed := [str(life) for life in tuple(self._lives.values()) if is_at_fault(life)]:
            raise AssertionError("\n".join([fault, *failed]))

    def _record(self, event: events.Event) -> None:
        if "state" not in event.obj.fields:
            return
        thread, state, refusal = threading.current_thread().name, event.obj.state, event.error
        if refusal is not None:
            # An action may prevent the deletion of its plan.
            life = self._life(refusal.kwargs["id"], event.obj)
            life.refusals.append(Move(refusal.initial, refusal.new, thread))
            return
        life = self._life(event.obj.uuid, event.obj)
        if event.kind == "destroy":
            life.moves.append(Move(state, "gone", thread))
        elif event.kind == "create" or event.old_state is not None:
            life.moves.append(Move(event.old_state, state, thread))

    def _life(self, uuid: str, obj: WatcherPersistentObject) -> Life:
        label = _label(obj) if obj.uuid == uuid else f"a child of {_label(obj)}, {uuid}"
        return self._lives.setdefault(uuid, Life(label))


def _label(obj: WatcherPersistentObject) -> str:
    name = f" {obj['name']}" if "name" in obj.fields else ""
    return f"{obj.resource}{name} {obj.uuid}"
