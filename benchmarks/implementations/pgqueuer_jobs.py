# SPDX-License-Identifier: Apache-2.0
"""Jobs of PgQueuer, which do nothing."""

import asyncio
import contextlib
import time
from typing import Any

import psycopg
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from benchmarks import worker


class Jobs:
    """A process that stores jobs, or works on them until there are none."""

    def __init__(self, url: str, _: str) -> None:
        self.url = url
        self.moments: list[float] = []

    async def _connection(self) -> Any:
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True)

    def reset(self, number: int) -> None:
        """Store so many jobs."""
        asyncio.run(self._reset(number))

    async def _reset(self, number: int) -> None:
        async with await self._connection() as connection:
            queries = Queries.from_psycopg_connection(connection)
            with contextlib.suppress(psycopg.Error):
                await queries.install()
            await queries.enqueue(["job"] * number, [None] * number, [0] * number)

    def prepare(self, **ignored: Any) -> None:
        """Do nothing."""

    def work(self, how: str) -> dict[str, Any]:
        """Work until there are no jobs, and return how many there were, and when."""
        self.moments.clear()
        asyncio.run(self._work(1 if how == "single" else 10))
        done, now = len(self.moments), time.monotonic()
        moments = self.moments or [now]
        return {"done": done, "rejected": 0, "begun": moments[0], "ended": moments[-1]}

    async def _work(self, batch: int) -> None:
        async with await self._connection() as connection:
            queuer = PgQueuer.from_psycopg_connection(connection)

            @queuer.entrypoint("job")
            async def run(job: Job) -> None:
                self.moments.append(time.monotonic())

            await queuer.qm.run(batch_size=batch, mode=QueueExecutionMode.drain)

    def leave(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    worker.serve(lambda url: url, Jobs)
