# SPDX-License-Identifier: Apache-2.0
"""The loop that a program has without a library: two UPDATE statements, by the driver."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks import rows, sql, worker

# As a range: PostgreSQL would read all rows that have ended, in the order of their ids.
FIRST = """SELECT id FROM audits WHERE state >= 'PENDING' AND state <= 'PENDING'
    ORDER BY state, id LIMIT %s"""
WRITE = "UPDATE audits SET state = 'ONGOING', hostname = %s, updated_at = CURRENT_TIMESTAMP WHERE "
COLUMNS = sql.names(rows.AUDIT)
CLAIM = {
    "sqlite": f"{WRITE} id IN ({FIRST}) RETURNING {COLUMNS}",
    "postgresql": f"{WRITE} id = ANY(ARRAY({FIRST} FOR UPDATE SKIP LOCKED)) RETURNING {COLUMNS}",
}
FINISH = """UPDATE audits SET state = 'SUCCEEDED', updated_at = CURRENT_TIMESTAMP
    WHERE id IN ({}) AND state = 'ONGOING'"""
LIMITS = {"single": 1, "batches": 10}
ID = rows.AUDIT.index("id")


class Jobs:
    """A process that works on audits until none waits."""

    def __init__(self, url: str, _: str) -> None:
        self.database = sql.Database(url)
        statement = CLAIM.get(sql.kind(url))
        if statement is None:
            # Without it, locks of gaps between rows make claims deadlock.
            self.database.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self._claim = self._claim_in_steps if statement is None else self._claim_with(statement)
        self._finishes = False

    def reset(self, number: int) -> None:
        """Have the newest audits wait again."""
        ((last,),) = self.database.run("SELECT max(id) FROM audits")
        self.database.run("UPDATE audits SET state = 'PENDING' WHERE id > %s", last - number)
        self.database.settle()

    def prepare(self, finish: bool = False) -> None:
        """Say whether jobs are done, or audits only claimed."""
        self._finishes = finish

    def _claim_with(self, statement: str) -> Callable[[int], list[tuple[Any, ...]]]:
        return lambda limit: self.database.run(statement, "host", limit)

    def _claim_in_steps(self, limit: int) -> list[tuple[Any, ...]]:
        """Claim as MariaDB has to, which has no UPDATE ... RETURNING."""
        run = self.database.run
        run("BEGIN")
        if idents := [row[0] for row in run(f"{FIRST} FOR UPDATE SKIP LOCKED", limit)]:
            places = ", ".join(["%s"] * len(idents))
            run(f"{WRITE} id IN ({places})", "host", *idents)
            claimed = run(f"SELECT {COLUMNS} FROM audits WHERE id IN ({places})", *idents)
        run("COMMIT")
        return claimed if idents else []

    def work(self, how: str) -> dict[str, Any]:
        """Work until nothing waits, and return how much that was, and when."""
        done, begun = 0, time.monotonic()
        ended = begun
        while found := self._claim(LIMITS[how]):
            if self._finishes:
                places = ", ".join(["%s"] * len(found))
                self.database.run(FINISH.format(places), *(row[ID] for row in found))
            done, ended = done + len(found), time.monotonic()
        return {"done": done, "rejected": 1, "begun": begun, "ended": ended}

    def leave(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    worker.serve(lambda url: url, Jobs)
