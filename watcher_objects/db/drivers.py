# SPDX-License-Identifier: Apache-2.0
"""Connections that wait for a server no longer than the call that they are used in may take.

Without that a server that is frozen, or that a network has lost, would not be noticed.
"""

import functools
from typing import Any

from watcher_objects.db import budget


def connect(dialect: Any, record: Any, args: Any, options: dict[str, Any]) -> Any:
    """Connect as SQLAlchemy would, by a connection that keeps to the time."""
    remaining = budget.remaining()
    if remaining is not None:
        options = {"connect_timeout": _WHOLE[dialect.name](remaining), **options}
    return _CONNECTS[dialect.name]()(*args, **options)


@functools.cache
def _postgresql() -> Any:
    import psycopg

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            limit = budget.remaining() if timeout is None else timeout
            try:
                return super().wait(gen, interval, limit)
            except psycopg.OperationalError:
                if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                    # The answer may come yet, and would be taken for the next one's.
                    self.close()
                raise

    return Connection.connect


@functools.cache
def _mysql() -> Any:
    import pymysql

    class Connection(pymysql.connections.Connection):
        def connect(self, sock: Any = None) -> None:
            self._keep_to_the_time()
            super().connect(sock)

        def query(self, sql: Any, unbuffered: bool = False) -> int:
            self._keep_to_the_time()
            return super().query(sql, unbuffered)

        def _keep_to_the_time(self) -> None:
            self._read_timeout = self._write_timeout = budget.remaining()

    return Connection


_CONNECTS = {"postgresql": _postgresql, "mysql": _mysql}
# PostgreSQL's driver takes whole seconds, and no less than two.
_WHOLE = {"postgresql": int, "mysql": float}
