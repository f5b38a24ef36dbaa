# SPDX-License-Identifier: Apache-2.0
"""Connections that wait for a server no longer than the call that they are used in may take.

Without that a server that is frozen, or that a network has lost, would not be noticed.
"""

import functools
from collections.abc import Callable
from typing import Any

from watcher_objects.db import budget


def connect(dialect: Any, record: Any, args: Any, options: dict[str, Any]) -> Any:
    """Connect as SQLAlchemy would, by a connection that keeps to the time."""
    limit = _shorter(options.get("connect_timeout"), budget.remaining())
    if limit is not None:
        options = {**options, "connect_timeout": _AS_TAKEN[dialect.name](limit)}
    return _CONNECTS[dialect.name]()(*args, **options)


def _shorter(own: Any, remaining: float | None) -> float | None:
    """Return how long to wait: what the call has left, or a caller's own limit if that is less.

    :param own: a number, or its text; None, 0 and less are no limit
    """
    limit = float(own or 0)
    if not limit > 0:
        return remaining
    return limit if remaining is None else min(limit, remaining)


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
        _tls_if_offered: Any = None

        def __init__(self, *args: Any, **options: Any) -> None:
            self._own = options.get("read_timeout"), options.get("write_timeout")
            super().__init__(*args, **options)

        def connect(self, sock: Any = None) -> None:
            self._keep_to_the_time()
            super().connect(sock)

        def query(self, sql: Any, unbuffered: bool = False) -> int:
            self._keep_to_the_time()
            return super().query(sql, unbuffered)

        def _create_ssl_ctx(self, asked: Any) -> Any:
            create = super()._create_ssl_ctx  # type: ignore[misc]
            if asked:
                return create(asked)
            # The machine's certificates take 20 ms to read, and are not asked where none is named.
            Connection._tls_if_offered = Connection._tls_if_offered or create(asked)
            return Connection._tls_if_offered

        def _keep_to_the_time(self) -> None:
            remaining = budget.remaining()
            self._read_timeout, self._write_timeout = (_shorter(o, remaining) for o in self._own)

    return Connection


_CONNECTS = {"postgresql": _postgresql, "mysql": _mysql}
# PostgreSQL's driver takes whole seconds, makes two of one, and has no limit at 0.
_AS_TAKEN: dict[str, Callable[[float], float]] = {
    "postgresql": lambda seconds: max(int(seconds), 1),
    "mysql": float,
}
