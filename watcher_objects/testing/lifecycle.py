# SPDX-License-Identifier: Apache-2.0
"""A recorder of the transitions that decision engines make.

It reads the journal, and so sees the transitions of all processes, and of RPC servers. Rejections,
which are in no journal, it sees in this process only, in any thread.
"""

import collections
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from oslo_context.context import RequestContext

from watcher_objects import events, exception
from watcher_objects.base import WatcherPersistentObject
from watcher_objects.db.backend import database
from watcher_objects.journal import Transition
from watcher_objects.states import ActionPlanState, State

#: The states of objects that an engine is working on.
RUNNING = frozenset({State.ONGOING, ActionPlanState.CANCELLING})


class Move(NamedTuple):
    """A transition that was made or rejected; a creation has the initial state None.

    ``by`` is the thread that made it, or of another process the host.
    """

    initial: str | None
    new: str | None
    by: str


class Life:
    """The transitions of one object, in order."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.moves: list[Move] = []
        self.refusals: list[Move] = []

    def states(self) -> list[str]:
        """Return the states of the object, in order."""
        first = [self.moves[0].initial] if self.moves else []
        return [state for state in first + [move.new for move in self.moves] if state]

    def __str__(self) -> str:
        made = [f"{move.new} ({move.by})" for move in self.moves if move.initial]
        lines = [f"{self.label}: {' -> '.join(self.states()[:1] + made) or 'no transition'}"]
        lines += [f"  rejected: {r.initial} -> {r.new} ({r.by})" for r in self.refusals]
        return "\n".join(lines)


class Lifecycle:
    """A context manager that records the transitions of audits, action plans and actions.

    At the end it raises AssertionError if a transition was rejected, or if an object was left
    running. It needs a database with a journal, or a client of one.
    """

    def __init__(self) -> None:
        self._lives: dict[str, Life] = {}
        self._labels: dict[str, str] = {}
        self._threads = collections.defaultdict[Any, list[str]](list)
        self._may_be_refused: set[str | None] = set()
        self._may_be_left: set[str] = set()

    def __enter__(self) -> Self:
        configured = database.find()
        if configured is not None and not configured.journal:
            raise exception.DatabaseError(reason="a recorder of transitions needs the journal")
        self._context = RequestContext(show_deleted=True)
        newest = Transition.list(self._context, limit=1, sort_key="id", sort_dir="desc")
        self._last = newest[0].id if newest else 0
        self._end = events.subscribe(self._record, refusals=True)
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        self._end()
        self._read()
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
            lambda life: any(move.initial and move.new in running for move in life.moves[-1:]),
        )

    def expect(self, obj: WatcherPersistentObject, *states: str) -> None:
        """Raise AssertionError if an object has not been in these states, in this order."""
        self._read()
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
        label = _label(event.obj)
        if refusal is not None:
            # An action may prevent the deletion of its plan.
            uuid = refusal.kwargs["id"]
            label = label if event.obj.uuid == uuid else f"a child of {label}, {uuid}"
            move = Move(refusal.initial, refusal.new, thread)
            self._lives.setdefault(uuid, Life(label)).refusals.append(move)
            return
        self._labels[event.obj.uuid] = label
        self._threads[event.obj.uuid, event.old_state, state].append(thread)

    def _read(self) -> None:
        """Read from the journal what has happened since the beginning."""
        for life in self._lives.values():
            life.moves.clear()
        threads = {key: [*names] for key, names in self._threads.items()}
        found = Transition.list(self._context, filters={"id__gt": self._last}, sort_key="seq")
        for step in found:
            uuid = step.object_uuid or ""
            label = self._labels.get(uuid, f"{step.resource} {uuid}")
            known = threads.get((uuid, step.from_state, step.to_state))
            by = known.pop(0) if known else step.host or "another program"
            if step.from_state != step.to_state:
                move = Move(step.from_state, step.to_state or "gone", by)
                self._lives.setdefault(uuid, Life(label)).moves.append(move)


def _label(obj: WatcherPersistentObject) -> str:
    name = f" {obj['name']}" if "name" in obj.fields else ""
    return f"{obj.resource}{name} {obj.uuid}"
