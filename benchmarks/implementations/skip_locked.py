# SPDX-License-Identifier: Apache-2.0
"""The loop that a program has without a library: two UPDATE statements, by the driver."""

import time
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
        self._statement = CLAIM.get(sql.kind(url))
        if self._statement is None:
            # Without it, locks of gaps between rows make claims deadlock.
            self.database.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self._finishes = False

    def reset(self, number: int) -> None:
        """Have the newest audits wait again."""
        ((last,),) = self.database.run("SELECT max(id) FROM audits")
        self.database.run("UPDATE audits SET state = 'PENDING' WHERE id > %s", last - number)
        self.database.settle()

    def prepare(self, finish: bool = False) -> None:
        """Say whether jobs are done, or audits only claimed."""
        self._finishes = finish

    def _claim(self, limit: int) -> list[tuple[Any, ...]]:
        if self._statement is not None:
            return self.database.run(self._statement, "host", limit)
        # MariaDB has no UPDATE ... RETURNING.
        run, claimed = self.database.run, []
        run("BEGIN")
        if idents := [row[0] for row in run(f"{FIRST} FOR UPDATE SKIP LOCKED", limit)]:
            is_chosen = f"id IN ({sql.places(len(idents))})"
            run(f"{WRITE} {is_chosen}", "host", *idents)
            claimed = run(f"SELECT {COLUMNS} FROM audits WHERE {is_chosen}", *idents)
        run("COMMIT")
        return claimed

    def work(self, how: str) -> dict[str, Any]:
        """Work until nothing waits, and return how much that was, and when."""
        done, begun = 0, time.monotonic()
        ended = begun
        while found := self._claim(LIMITS[how]):
            if self._finishes:
                finish = FINISH.format(sql.places(len(found)))
                self.database.run(finish, *(row[ID] for row in found))
            done, ended = done + len(found), time.monotonic()
        return {"done": done, "rejected": 1, "begun": begun, "ended": ended}

    def leave(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    worker.serve(lambda url: url, Jobs)
