# SPDX-License-Identifier: Apache-2.0
"""The connection pool: SQLAlchemy's, whose waits end also while a test freezes the clock."""

from typing import Any

from sqlalchemy import pool
from sqlalchemy.util import queue

from watcher_objects.db.backend import budget


class _Queue(queue.Queue[Any]):
    """A queue that measures its waits by the clock of deadlines."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if block and timeout is not None:
            ends = budget.now() + timeout
            with self.not_empty:
                while self._empty() and (seconds := ends - budget.now()) > 0:
                    self.not_empty.wait(seconds)
            block = False
        return super().get(block, timeout)


class Pool(pool.QueuePool):
    """SQLAlchemy's pool of a fixed number of connections and some more."""

    _queue_class = _Queue
