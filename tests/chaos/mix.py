# SPDX-License-Identifier: Apache-2.0
"""Any mix of calls, with handles as old as they may be, by many processes on the same audits."""

from typing import Any

from tests.chaos.arena import Report, Run, arena
from tests.chaos.worker import MOVES, Worker
from watcher_objects.states import AuditStateTransitionManager

#: Audits that a worker lists at once, and handles of which it keeps more no longer.
BATCH, HANDLES = 20, 60
#: How often what is asked for is legal, if the handle is right.
SENSIBLE = 0.8
#: How often a caller goes on with the handle that it had before a move.
FORGETFUL = 0.3


def run(run: Run) -> Report:
    """Let all processes do anything to all audits."""
    with arena(run) as place:
        place.work(make_calls, calls=run.calls)
        return place.judged("mix")


def make_calls(worker: Worker) -> None:
    """Make so many calls."""
    caller = Caller(worker)
    worker.begin()
    for _ in range(worker.given["calls"]):
        caller.call()


class Caller:
    """Somebody who does anything, with handles that it does not read again unless by chance."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._random = worker.random
        self._handles: dict[str, Any] = {}

    def call(self) -> None:
        """Make one call, of any kind."""
        kinds = {self._list: 5, self._create: 10, self._refresh: 10, self._move: 75}
        if not self._handles:
            return self._list() or self._create()
        (do,) = self._random.choices([*kinds], [*kinds.values()])
        return do()

    def _list(self) -> None:
        order = self._random.choice(["asc", "desc"])
        found = self._worker.list(limit=BATCH, sort_key="id", sort_dir=order) or ()
        for audit in found:
            self._handles.setdefault(audit.uuid, audit)
        while len(self._handles) > HANDLES:
            self._handles.pop(next(iter(self._handles)))

    def _create(self) -> None:
        self._worker.create()

    def _refresh(self) -> None:
        uuid, audit = self._handle()
        if not self._worker.refresh(audit):
            del self._handles[uuid]

    def _move(self) -> None:
        uuid, audit = self._handle()
        ops = [*MOVES]
        if self._random.random() < SENSIBLE:
            ops = [op for op in ops if MOVES[op] is None or self._seems_legal(audit, MOVES[op])]
        op = self._random.choice(ops)
        # A handle of before the move is as old as if another had made it.
        self._handles[uuid] = audit.obj_clone()
        is_done = self._worker.move(audit, op)
        if is_done and self._random.random() > FORGETFUL:
            self._handles[uuid] = audit
        elif not is_done:
            del self._handles[uuid]

    def _handle(self) -> tuple[str, Any]:
        return self._random.choice([*self._handles.items()])

    def _seems_legal(self, audit: Any, new: str) -> bool:
        needed = AuditStateTransitionManager.condition(audit.state, new)
        return needed is not None and needed.items() <= {"audit_type": audit.audit_type}.items()
