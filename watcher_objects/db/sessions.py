# SPDX-License-Identifier: Apache-2.0
"""What connections are told when they are new, and asked between two statements."""

import contextlib
import os
import select
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import exc

#: Seconds for which a connection may be idle and is still taken for good if the server has not
#: hung up; after them it is asked.
IDLE = 30

_RETURNED = "returned"
# What a new connection is told; {0} is the lock timeout.
_SESSION = {
    "sqlite": (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ),
    "postgresql": ("SET lock_timeout = '{0}s'",),
    "mysql": (
        "SET SESSION sql_mode = 'TRADITIONAL'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION innodb_lock_wait_timeout = {0}",
        "SET SESSION lock_wait_timeout = {0}",
    ),
}
# How a driver tells, without asking the server, that its connection is in a transaction.
_IS_OPEN: dict[str, Callable[[Any], bool]] = {
    "sqlite": lambda connection: connection.in_transaction,
    "postgresql": lambda connection: connection.info.transaction_status.name != "IDLE",
    "mysql": lambda connection: connection.server_status & 1 == 1,
}

# The socket on which a server that hangs up is heard.
_SOCKET: dict[str, Callable[[Any], int]] = {
    "postgresql": lambda connection: connection.fileno(),
    "mysql": lambda connection: connection._sock.fileno(),
}


def prepare(dialect: str, lock_timeout: int, connection: Any, record: Any) -> None:
    """Tell a new connection how it is to be, and for how many seconds to wait for a lock."""
    record.info["process"] = os.getpid()
    with contextlib.closing(connection.cursor()) as cursor:
        for statement in _SESSION[dialect]:
            cursor.execute(statement.format(lock_timeout))


def drop_if_open(dialect: str, connection: Any, record: Any) -> None:
    """Let no connection back into the pool with a transaction that an interrupt left open.

    A child process leaves its parent's alone: to close it would end it there.
    """
    record.info[_RETURNED] = time.monotonic()
    is_ours = record.info.get("process") == os.getpid()
    if connection is not None and is_ours and _IS_OPEN[dialect](connection):
        record.invalidate()


def close_cursor(connection: Any, record: Any, error: Any) -> None:
    """Let no cursor outlive a connection that is given up: it would keep SQLite's lock."""
    if cursor := record.info.pop("cursor", None):
        with contextlib.suppress(Exception):
            cursor.close()


def returned(lent: Any) -> None:
    """Remember when a connection was given back."""
    lent.info[_RETURNED] = time.monotonic()


def is_good(dialect: Any, lent: Any) -> bool:
    """Tell whether a connection that was given back may be used at once."""
    is_idle = lent.is_valid and time.monotonic() - lent.info[_RETURNED] > IDLE
    return lent.is_valid and not is_idle and not _has_hung_up(dialect, lent.dbapi_connection)


def check(dialect: Any, connection: Any, record: Any, lent: Any) -> None:
    """Let the pool connect anew where a server has hung up, or does not answer after a while.

    :raises DisconnectionError: it has; the pool knows what to do
    """
    is_idle = time.monotonic() - record.info.get(_RETURNED, 0.0) > IDLE
    with contextlib.suppress(dialect.loaded_dbapi.Error):
        if not _has_hung_up(dialect, connection) and (not is_idle or dialect.do_ping(connection)):
            return
    raise exc.DisconnectionError("the server has hung up")


def _has_hung_up(dialect: Any, connection: Any) -> bool:
    """Tell whether a server has said something unasked: that can only be that it hangs up."""
    if dialect.name not in _SOCKET:
        return False
    try:
        poll = select.poll()
        poll.register(_SOCKET[dialect.name](connection), select.POLLIN)
        return bool(poll.poll(0))
    except (AttributeError, OSError, dialect.loaded_dbapi.Error):
        return True


def forget_rows(connection: Any) -> None:
    """Let PyMySQL's connection not keep in mind what it fetched last, as the others don't."""
    if hasattr(connection, "_result"):
        connection._result = None


def create_private(path: str, *ignored: Any) -> None:
    """Make the file of a database for its owner only, unless there is one."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
