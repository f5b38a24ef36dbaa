# SPDX-License-Identifier: Apache-2.0
"""A process that shares the audits that wait with others: of ours alone."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks import sql, worker
from benchmarks.implementations.ours import Ours
from watcher_objects import Audit, Worker, claims, exception

#: How often in a row a worker finds nothing before it takes all work to be distributed.
EMPTY = 3
BATCH = 10
#: Seconds in which a worker connects to be notified, if the database can.
LISTENING = 0.5


class Claiming:
    """The ways in which processes get work from one table."""

    def __init__(self, implementation: Ours, url: str) -> None:
        self.context = implementation.context
        self.database = sql.Database(url)
        ((self.last,),) = self.database.run("SELECT max(id) FROM audits")
        self._worker: Worker | None = None
        self._take: Callable[[list[Any]], None] = self._keep
        self._kept: list[Any] = []
        self._ended = 0.0

    def reset(self, number: int) -> None:
        """Have the newest audits wait again."""
        self.database.run(
            "UPDATE audits SET state = 'PENDING', worker_id = NULL, attempts = NULL WHERE id > %s",
            self.last - number,
        )
        self.database.settle()

    def prepare(self, finish: bool = False) -> None:
        """Register a worker."""
        self._worker = Worker(self.context, host=f"host-{id(self)}").__enter__()
        heartbeat, begun = self._worker._running(), time.monotonic()
        while not heartbeat.is_notified and time.monotonic() - begun < LISTENING:
            time.sleep(0.01)
        self._take = self._finish if finish else self._keep

    def work(self, how: str) -> dict[str, Any]:
        """Get work until there is none, and return how much, and when the first and last was."""
        begun = self._ended = time.monotonic()
        done, rejected = getattr(self, f"_{how}")()
        return {"done": done, "rejected": rejected, "begun": begun, "ended": self._ended}

    def leave(self) -> None:
        """Remove the worker."""
        if self._worker is not None:
            self._worker.__exit__()
        self._worker = None
        self._kept.clear()

    def _keep(self, leases: list[Any]) -> None:
        """Go on holding leases, which would be given back if nobody referred to them."""
        self._kept += leases

    def _finish(self, leases: list[Any]) -> None:
        if len(leases) == 1:
            leases[0].finish("SUCCEEDED")
        elif lost := claims.finish_many(leases, "SUCCEEDED"):
            raise RuntimeError(f"lost: {lost}")

    def _loop(self) -> tuple[int, int]:
        """Try to save each of all audits that wait."""
        done = rejected = 0
        while waiting := Audit.list(self.context, filters={"state": "PENDING"}):
            for audit in waiting:
                audit.state, audit.hostname = "ONGOING", "host"
                try:
                    audit.save()
                    done, self._ended = done + 1, time.monotonic()
                except exception.InvalidStateTransition:
                    rejected += 1
        return done, rejected

    def _single(self) -> tuple[int, int]:
        return self._claimed(1)

    def _batches(self) -> tuple[int, int]:
        return self._claimed(BATCH)

    def _claimed(self, limit: int) -> tuple[int, int]:
        done = rejected = empty = 0
        while empty < EMPTY:
            leases = claims.claim_many(self.context, Audit, limit, self._worker)
            self._take(leases)
            done, empty = done + len(leases), 0 if leases else empty + 1
            rejected += not leases
            if leases:
                self._ended = time.monotonic()
        return done, rejected


if __name__ == "__main__":
    worker.serve(Ours, Claiming)
