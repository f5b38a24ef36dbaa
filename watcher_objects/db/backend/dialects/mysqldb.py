# SPDX-License-Identifier: Apache-2.0
"""The second driver of MariaDB, mysqlclient: connections that keep to the deadline of a call.

The driver blocks in C, also other green threads, while it connects and while it reads an answer.
It does not while it waits for one: that is done here, in Python.

This module imports the driver, and is imported where a connection is made.
"""

import contextlib
import math
import select
from collections.abc import Callable
from typing import Any

import MySQLdb
from MySQLdb import converters, cursors
from MySQLdb.connections import Connection as _Connection
from MySQLdb.constants import CLIENT, FIELD_TYPE

from watcher_objects.db.backend import budget

# Bytes from which on a statement may be too large, as the least limit is 64 KiB.
_LARGE = 8192
# Seconds to wait for the rest of an answer that has begun, and for a new session to be set up.
_PATIENCE = 30
_LIMITS = ("connect_timeout", "read_timeout", "write_timeout")


def _or_text(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a converter that leaves times that Python cannot represent as text."""

    def converted(text: str) -> Any:
        value = convert(text)
        return text if value is None else value

    return converted


_TIMES = {
    FIELD_TYPE.DATE: _or_text(converters.Date_or_None),
    FIELD_TYPE.DATETIME: _or_text(converters.DateTime_or_None),
    FIELD_TYPE.TIMESTAMP: _or_text(converters.DateTime_or_None),
}
# What decides what is sent and returned, as does FOUND_ROWS how many rows a statement matches.
_REQUIRED: dict[str, Any] = {
    "autocommit": True,
    "binary_prefix": True,
    "charset": "utf8mb4",
    "collation": "",
    "conv": {**converters.conversions, **_TIMES},
    "multi_statements": False,
    "use_unicode": True,
}


class Connection(_Connection):
    """A connection that waits for its server until the deadline of the current call."""

    _most: int | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self._own = options.get("read_timeout")
        flags = options.get("client_flag", 0) | CLIENT.FOUND_ROWS
        # A caller's own may trace or count, but returns rows as the driver's does.
        cursor = options.get("cursorclass", cursors.Cursor)
        if issubclass(cursor, cursors.CursorDictRowsMixIn | cursors.CursorUseResultMixIn):
            cursor = cursors.Cursor
        own = {"cursorclass": cursor, "client_flag": flags}
        # The driver takes whole seconds.
        given = {name: options.get(name) or _PATIENCE for name in _LIMITS}
        limits = {name: math.ceil(seconds) for name, seconds in given.items()}
        super().__init__(*args, **{**options, **limits, **_REQUIRED, **own})

    def query(self, query: Any) -> None:
        """Run a statement."""
        if len(query) > _LARGE:
            self._check_size(query)
        self._run(query)

    def _run(self, query: Any) -> None:
        self.send_query(bytes(query) if isinstance(query, bytearray) else query)
        try:
            self._wait(budget.shorter(self._own, budget.remaining()))
        except BaseException:
            # The answer may come yet, and would be taken for the next one's.
            self.close()
            raise
        self.read_query_result()

    def _wait(self, seconds: float | None) -> None:
        """Wait until an answer comes; other green threads run, and signals are handled."""
        number = self.fileno()
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(number, select.POLLIN)
            found: Any = poll.poll(None if seconds is None else max(seconds, 0) * 1000)
        else:
            # eventlet has no poll.
            found = select.select([number], [], [], seconds)[0]
        if not found:
            raise MySQLdb.OperationalError(2013, "the server did not answer in time")

    def _check_size(self, query: Any) -> None:
        """Reject statements that are too long, for which the server would close the connection."""
        if self._most is None:
            self._most = int(self.value(b"SELECT @@max_allowed_packet"))
        if len(query.encode() if isinstance(query, str) else query) >= self._most:
            raise MySQLdb.OperationalError(1153, "larger than max_allowed_packet")

    def value(self, query: bytes) -> Any:
        """Return the only value of a short query."""
        self._run(query)
        return self.store_result().fetch_row()[0][0]

    def get_autocommit(self) -> bool:
        """Return the mode, also of a closed connection, which SQLAlchemy asks for it."""
        try:
            return bool(super().get_autocommit())
        except MySQLdb.Error:
            return True

    def close(self) -> None:
        """Close the connection, unless it is closed."""
        with contextlib.suppress(MySQLdb.Error):
            super().close()

    def commit(self) -> None:
        """Commit, waiting as for any statement."""
        self._run(b"COMMIT")

    def rollback(self) -> None:
        """Roll back, waiting as for any statement."""
        self._run(b"ROLLBACK")

    def ping(self) -> None:
        """Ask the server for an answer."""
        self.value(b"SELECT 1")
