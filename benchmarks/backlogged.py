# SPDX-License-Identifier: Apache-2.0
"""A process that claims among many audits: of ours alone."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks import rows, sql, worker
from benchmarks.implementations.ours import Ours
from watcher_objects import Audit, Worker, claims

#: Claims that a heartbeat is sent for.
HELD = 1000
#: Claims while a snapshot is open, and the last of them, which are timed.
CLAIMED, LAST = 10_000, 500
SNAPSHOT = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "mysql": "START TRANSACTION WITH CONSISTENT SNAPSHOT",
}


class Backlogged:
    """What a worker does, each of which could take longer the more rows there are."""

    def __init__(self, implementation: Ours, url: str) -> None:
        self.url, self.context = url, implementation.context
        self.database = sql.Database(url)
        ((self.last,),) = self.database.run("SELECT max(id) FROM audits")
        self._store_workers()
        # It is left by the end of the process.
        self.worker = Worker(self.context).__enter__()
        self._due = iter(range(24, self.last, 24 * 20))
        self._calls: dict[str, Callable[[], Any]] = {
            "claim_next": lambda: claims.claim_next(self.context, Audit, self.worker),
            "due": lambda: claims.due(Audit, worker=self.worker),
            "due, none is": lambda: claims.due(Audit, worker=self.worker),
            "take_over": lambda: claims.take_over(Audit, limit=1, worker=self.worker),
            "take_over, nothing is left": lambda: claims.take_over(Audit, worker=self.worker),
        }

    def _store_workers(self) -> None:
        """Store the workers that have claimed audits."""
        for number, ident in enumerate(rows.WORKERS):
            self.database.run(
                "INSERT INTO workers (id, uuid, host, ttl, started_at, alive_until) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                *(ident, rows.ident(ident), f"host-{number}", 60, rows.EPOCH, rows.NEVER),
            )

    def calls(self) -> list[str]:
        """Return their names."""
        return [*self._calls]

    def time(self, call: str, count: int) -> list[float]:
        """Return the seconds of each of several calls."""
        if call == "due":
            self._make_due(count)
        self._kill(call == "take_over")
        took = []
        for _ in range(count):
            begun = time.perf_counter()
            found = self._calls[call]()
            took.append(time.perf_counter() - begun)
            if bool(found) == call.endswith(("none is", "left")):
                raise RuntimeError(f"{call} returned {found}")
        return took

    def _make_due(self, count: int) -> None:
        for _ in range(count):
            made = "UPDATE audits SET next_run_time = created_at WHERE id = %s"
            self.database.run(made, self._next_due())

    def _next_due(self) -> int:
        """Return the id of the next audit that is between two runs."""
        between = "state = 'ONGOING' AND worker_id IS NULL AND next_run_time IS NOT NULL"
        statement = f"SELECT id FROM audits WHERE id = %s AND {between}"
        return next(number for number in self._due if self.database.run(statement, number))

    def _kill(self, are_dead: bool) -> None:
        """Make every second worker dead, or alive."""
        until = rows.EPOCH if are_dead else rows.NEVER
        for ident in rows.WORKERS[::2]:
            self.database.run("UPDATE workers SET alive_until = %s WHERE id = %s", until, ident)

    def beat(self, count: int) -> list[float]:
        """Return the seconds of each of several heartbeats for many claims."""
        with Worker(self.context) as busy:
            leases = claims.claim_many(self.context, Audit, HELD, busy)
            took = []
            for _ in range(count):
                begun = time.perf_counter()
                held = busy.beat(["Audit"])
                took.append(time.perf_counter() - begun)
            if len(held) != len(leases):
                raise RuntimeError(f"{len(held)} of {len(leases)} leases are held")
        return took

    def old_snapshot(self) -> list[float]:
        """Return the seconds of the last of many claims, while a transaction reads."""
        reader = sql.Database(self.url)
        reader.run(SNAPSHOT[sql.kind(self.url)])
        reader.run("SELECT count(*) FROM goals")
        took = []
        loop = self.worker.claims(Audit)
        for number in range(CLAIMED):
            begun = time.perf_counter()
            lease = next(loop)
            if number >= CLAIMED - LAST:
                took.append(time.perf_counter() - begun)
            lease.finish("SUCCEEDED")
        loop.close()
        return took


if __name__ == "__main__":
    worker.serve(Ours, Backlogged)
