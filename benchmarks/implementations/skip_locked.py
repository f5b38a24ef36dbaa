# SPDX-License-Identifier: Apache-2.0
"""The loop that a program has without a library: SELECT ... FOR UPDATE SKIP LOCKED, by psycopg."""

import time
from typing import Any

from benchmarks import rows, sql, worker

# As a range: the planner would read all rows that have ended, in the order of their ids.
CLAIM = f"""UPDATE audits SET state = 'ONGOING', hostname = %s, updated_at = now()
    WHERE id = ANY(ARRAY(SELECT id FROM audits WHERE state >= 'PENDING' AND state <= 'PENDING'
                         ORDER BY state, id LIMIT %s FOR UPDATE SKIP LOCKED))
    RETURNING {sql.names(rows.AUDIT)}"""
FINISH = """UPDATE audits SET state = 'SUCCEEDED', updated_at = now()
    WHERE id = ANY(%s) AND state = 'ONGOING'"""
LIMITS = {"single": 1, "batches": 10}
ID = rows.AUDIT.index("id")


class Jobs:
    """A process that works on audits until none waits."""

    def __init__(self, url: str, _: str) -> None:
        self.database = sql.Database(url)

    def reset(self, number: int) -> None:
        """Have the newest audits wait again."""
        self.database.run(
            "UPDATE audits SET state = 'PENDING' WHERE id > (SELECT max(id) FROM audits) - %s",
            number,
        )
        self.database.settle()

    def prepare(self, **ignored: Any) -> None:
        """Do nothing."""

    def work(self, how: str) -> dict[str, Any]:
        """Work until nothing waits, and return how much that was, and when."""
        done, begun = 0, time.monotonic()
        ended = begun
        while found := self.database.run(CLAIM, "host", LIMITS[how]):
            self.database.run(FINISH, [row[ID] for row in found])
            done, ended = done + len(found), time.monotonic()
        return {"done": done, "rejected": 1, "begun": begun, "ended": ended}

    def leave(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    worker.serve(lambda url: url, Jobs)
