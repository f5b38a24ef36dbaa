# SPDX-License-Identifier: Apache-2.0
"""Connections to MariaDB.

This module imports the driver, and is imported where a connection is made.
"""

import struct
from typing import Any

import pymysql
from pymysql import cursors

from watcher_objects.db.backend import budget

# Characters from which on a statement may be too large, as the least limit is 64 KiB.
_LARGE = 8192
# What decides what is sent and returned, as does FOUND_ROWS how many rows a statement matches.
_REQUIRED: dict[str, Any] = {
    "autocommit": True,
    "charset": "utf8mb4",
    "collation": None,
    "conv": None,
    "defer_connect": False,
    "use_unicode": True,
}


class Connection(pymysql.connections.Connection):
    """A connection that waits for its server until the deadline of the current call."""

    _tls_if_offered: Any = None
    _most: int | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self._own = options.get("read_timeout"), options.get("write_timeout")
        flags = options.get("client_flag", 0) | pymysql.constants.CLIENT.FOUND_ROWS
        # A caller's own may trace or count, but returns rows as the driver's does.
        cursor = options.get("cursorclass", cursors.Cursor)
        if issubclass(cursor, cursors.DictCursorMixin | cursors.SSCursor):
            cursor = cursors.Cursor
        own = {"cursorclass": cursor, "client_flag": flags}
        super().__init__(*args, **{**options, **_REQUIRED, **own})

    def connect(self, sock: Any = None) -> None:
        """Connect."""
        self._keep_to_the_time()
        try:
            super().connect(sock)
        except pymysql.OperationalError as error:
            _raise_limit(error.__context__)
            raise

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """Run a statement."""
        self._keep_to_the_time()
        if len(sql) > _LARGE:
            self._check_size(sql)
        try:
            return super().query(sql, unbuffered)
        except pymysql.OperationalError as error:
            _raise_limit(error.__context__)
            raise

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        try:
            return super()._read_query_result(unbuffered)  # type: ignore[misc]
        except (struct.error, IndexError) as error:
            # A node of a cluster that aborts a statement may end its answer in the middle.
            self._force_close()  # type: ignore[attr-defined]
            lost = pymysql.err.OperationalError(2013, "the server's answer is incomplete")
            raise lost from error

    def _check_size(self, sql: Any) -> None:
        """Reject statements that are too long, for which the server would close the connection."""
        if self._most is None:
            super().query("SELECT @@max_allowed_packet")
            self._most = int(self._result.rows[0][0])  # type: ignore[attr-defined]
        if len(sql.encode() if isinstance(sql, str) else sql) >= self._most:
            raise pymysql.err.OperationalError(1153, "larger than max_allowed_packet")

    def _create_ssl_ctx(self, asked: Any) -> Any:
        create = super()._create_ssl_ctx  # type: ignore[misc]
        if asked:
            return create(asked)
        # The machine's certificates take 20 ms to read, and are not asked where none is named.
        Connection._tls_if_offered = Connection._tls_if_offered or create(asked)
        return Connection._tls_if_offered

    def _keep_to_the_time(self) -> None:
        remaining = budget.remaining()
        self._read_timeout, self._write_timeout = (
            budget.shorter(own, remaining) for own in self._own
        )


def _raise_limit(cause: BaseException | None) -> None:
    """Raise a caller's TimeoutError, which PyMySQL takes for one of its socket."""
    if isinstance(cause, TimeoutError) and not str(cause).endswith("timed out"):
        raise cause from None
