# SPDX-License-Identifier: Apache-2.0
"""The connection pool: SQLAlchemy's, with two differences.

Its waits end also while a test freezes the clock. Once disposed of it closes the connections
that come back to it, which SQLAlchemy leaves to the garbage collector.
"""

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
    _is_disposed = False

    def dispose(self) -> None:
        """Close the connections that are idle, and later each that is returned."""
        self._is_disposed = True
        super().dispose()

    def _do_return_conn(self, record: Any) -> None:
        super()._do_return_conn(record)
        if self._is_disposed:
            # Also what was returned during the above.
            super().dispose()
