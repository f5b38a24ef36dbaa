# SPDX-License-Identifier: Apache-2.0
"""Whether a decision engine keeps to the life-cycles: all moves that it makes are written down.

They are seen where the library makes them: of an engine that runs in this process, in whichever
thread, and not of one in another process or behind RPC.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from watcher_objects import events
from watcher_objects.base import WatcherPersistentObject
from watcher_objects.states import ActionPlanState, State

#: The states in which somebody is at work.
RUNNING = frozenset({State.ONGOING, ActionPlanState.CANCELLING})


class Move(NamedTuple):
    """A move that was made or refused, and by which thread; the first leads from None."""

    initial: str | None
    new: str | None
    thread: str


class Life:
    """What became of one object."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.moves: list[Move] = []
        self.refusals: list[Move] = []

    def chain(self) -> list[Move]:
        """Return the moves in the order in which they were made.

        Threads may tell of two of them in another order.
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
        """Return the states that it was in, in their order."""
        chain = self.chain()
        first = [chain[0].initial] if chain else []
        return [state for state in first + [move.new for move in chain] if state]

    def __str__(self) -> str:
        made = [f"{move.new} ({move.thread})" for move in self.chain() if move.initial]
        lines = [f"{self.label}: {' -> '.join(self.states()[:1] + made) or 'no move'}"]
        lines += [f"  refused: {r.initial} -> {r.new} ({r.thread})" for r in self.refusals]
        return "\n".join(lines)


class Lifecycle:
    """A witness of what becomes of audits, action plans and actions, while it is entered.

    At the end it raises AssertionError if a move was refused, or if something was left running.
    """

    def __init__(self) -> None:
        self._lives: dict[str, Life] = {}
        self._may_be_refused: set[str | None] = set()
        self._may_be_left: set[str] = set()

    def __enter__(self) -> Self:
        self._end = events.subscribe(self._hear, refusals=True)
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        self._end()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise AssertionError if a move was refused, or if something was left running."""
        self.expect_no_refusal()
        self.expect_ended()

    def expect_no_refusal(self) -> None:
        """Raise AssertionError if a move was refused, but for those that may be."""
        allowed = self._may_be_refused
        self._expect(
            "a move was refused",
            lambda life: any(refusal.new not in allowed for refusal in life.refusals),
        )

    def expect_ended(self) -> None:
        """Raise AssertionError if something was moved to ONGOING or CANCELLING and left there.

        What was made in such a state, and not moved, is somebody else's.
        """
        running = RUNNING - self._may_be_left
        self._expect(
            "something was left running",
            lambda life: any(move.initial and move.new in running for move in life.chain()[-1:]),
        )

    def expect(self, obj: WatcherPersistentObject, *states: str) -> None:
        """Raise AssertionError if an object has not been in these states, in this order."""
        life = self._lives.get(obj.uuid) or Life(_label(obj))
        if life.states() != [*states]:
            raise AssertionError(f"{' -> '.join(states)} was expected\n{life}")

    def allow_refused(self, *states: str) -> None:
        """Take it for no fault that a move to one of these states is refused.

        Of several engines that claim one audit, all but one are refused ONGOING.
        """
        self._may_be_refused.update(states)

    def allow_left(self, *states: str) -> None:
        """Take it for no fault that something is left in one of these states."""
        self._may_be_left.update(states)

    def _expect(self, fault: str, is_at_fault: Callable[[Life], object]) -> None:
        __tracebackhide__ = True
        if told := [str(life) for life in tuple(self._lives.values()) if is_at_fault(life)]:
            raise AssertionError("\n".join([fault, *told]))

    def _hear(self, event: events.Event) -> None:
        if "state" not in event.obj.fields:
            return
        thread, state, refusal = threading.current_thread().name, event.obj.state, event.error
        if refusal is not None:
            # What is in the way of a plan's deletion may be an action.
            life = self._life(refusal.kwargs["id"], event.obj)
            life.refusals.append(Move(refusal.initial, refusal.new, thread))
            return
        life = self._life(event.obj.uuid, event.obj)
        if event.kind == "destroy":
            life.moves.append(Move(state, "gone", thread))
        elif event.kind == "create" or event.old_state is not None:
            life.moves.append(Move(event.old_state, state, thread))

    def _life(self, uuid: str, obj: WatcherPersistentObject) -> Life:
        label = _label(obj) if obj.uuid == uuid else f"what {_label(obj)} owns, {uuid}"
        return self._lives.setdefault(uuid, Life(label))


def _label(obj: WatcherPersistentObject) -> str:
    name = f" {obj['name']}" if "name" in obj.fields else ""
    return f"{obj.resource}{name} {obj.uuid}"
