# SPDX-License-Identifier: Apache-2.0
"""Jobs of procrastinate, which do nothing."""

import asyncio
import contextlib
import time
from typing import Any

import procrastinate

from benchmarks import worker


class Jobs:
    """A process that stores jobs, or works on them until there are none."""

    def __init__(self, url: str, _: str) -> None:
        # By default it keeps four connections open, which are more than a server has for all.
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1)
        self.app = procrastinate.App(connector=connector)
        self.moments: list[float] = []
        self.job = self.app.task(name="job")(self._run)

    async def _run(self, number: int) -> None:
        self.moments.append(time.monotonic())

    def reset(self, number: int) -> None:
        """Store so many jobs."""
        asyncio.run(self._reset(number))

    async def _reset(self, number: int) -> None:
        async with self.app.open_async():
            with contextlib.suppress(procrastinate.exceptions.ConnectorException):
                await self.app.schema_manager.apply_schema_async()
            await self.job.batch_defer_async(*({"number": n} for n in range(number)))

    def prepare(self, **ignored: Any) -> None:
        """Do nothing."""

    def work(self, how: str) -> dict[str, Any]:
        """Work until there are no jobs, and return how many there were, and when."""
        self.moments.clear()
        asyncio.run(self._work())
        done, now = len(self.moments), time.monotonic()
        moments = self.moments or [now]
        return {"done": done, "rejected": 0, "begun": moments[0], "ended": moments[-1]}

    async def _work(self) -> None:
        async with self.app.open_async():
            await self.app.run_worker_async(wait=False, install_signal_handlers=False)

    def leave(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    worker.serve(lambda url: url, Jobs)
