# SPDX-License-Identifier: Apache-2.0
"""The setup of new connections, and their checks between two statements."""

import contextlib
import functools
import os
import select
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from watcher_objects.db.backend import budget, errors, forks, green
from watcher_objects.db.backend.dialects.base import Backend

#: Seconds for which a connection may be idle and is still taken for good if the server has not
#: hung up; after them it is asked.
IDLE = 30

#: When a connection was last given back.
RETURNED = "returned"
#: Set while a statement runs, and left set where it was interrupted.
USED = "used"
# It never waits; that of gevent would switch to another green thread, and eventlet has none.
_poll = green.original("select", "poll")


def prepare(backend: Backend, lock_timeout: int, connection: Any, record: Any) -> None:
    """Set up the session of a new connection, whatever the defaults of account and server.

    :param lock_timeout: the maximum number of seconds to wait for a lock
    :raises DatabaseError: the session lacks what it can't set for itself
    """
    record.info.update({"process": os.getpid(), RETURNED: budget.now()})
    if backend.is_server:
        forks.register(connection, functools.partial(_drop_socket, backend))
    backend.prepare_session(connection, lock_timeout)


def _drop_socket(backend: Backend, connection: Any, fork: forks.Fork) -> bool:
    """Close a child's copy of a socket, without notifying the server.

    A copy would keep the session of its parent open, and its locks, after the parent's end.
    """
    with contextlib.suppress(Exception), open(os.devnull, "r+b") as null:
        # Its number stays taken: what the driver may yet send goes to no other file.
        os.dup2(null.fileno(), backend.socket(connection), inheritable=False)
    return True


@contextlib.contextmanager
def used(connection: sa.Connection) -> Iterator[None]:
    """Mark a connection as used until the block ends, or the database rejects a statement.

    Any other exception may have come between a statement and its answer: a signal handler's, an
    interrupt, a time limit. What is marked then is closed, not used again.
    """
    info = connection.info
    info[USED] = True
    try:
        yield
    except Exception as error:
        if errors.is_of_database(connection.engine, error):
            info[USED] = False
        raise
    info[USED] = False


def is_own(connection: Any) -> bool:
    """Return whether a connection, or its record in the pool, was made in this process."""
    return bool(connection.info.get("process") == os.getpid())


def is_used(connection: Any) -> bool:
    """Return whether a connection was interrupted, and not closed yet."""
    return bool(connection.info.get(USED))


def is_pooled(lent: Any) -> bool:
    """Return whether a pooler may run each transaction of a connection in another session."""
    return getattr(lent.driver_connection, "is_pooled", False)


def on_checkin(backend: Backend, connection: Any, record: Any) -> None:
    """Close connections that come back to the pool interrupted or in a transaction.

    A child process must not close its parent's connections: the sessions would end.
    """
    record.info[RETURNED] = budget.now()
    if connection is None or not is_own(record):
        return
    if record.info.get(USED) or backend.is_in_transaction(connection):
        record.invalidate()


def close_cursor(connection: Any, record: Any, error: Any) -> None:
    """Close the cursor of a connection that is given up: it would keep SQLite's lock."""
    close(record.info.pop("cursor", None))


def close(cursor: Any) -> None:
    """Close a cursor, in whatever state it is."""
    with contextlib.suppress(Exception):
        cursor.close()


def check(backend: Backend, dialect: Any, connection: Any, record: Any, lent: Any) -> None:
    """Make the pool connect anew if a server has hung up, or does not answer after a while.

    :raises DisconnectionError: it has; the pool knows what to do
    """
    is_idle = budget.now() - record.info.get(RETURNED, 0.0) > IDLE
    with contextlib.suppress(dialect.loaded_dbapi.Error):
        is_gone = has_hung_up(backend, dialect, connection)
        if not is_gone and (not is_idle or dialect.do_ping(connection)):
            return
    raise exc.DisconnectionError("the server has hung up")


def has_hung_up(backend: Backend, dialect: Any, connection: Any) -> bool:
    """Return whether a server has sent anything unasked, which means that it hangs up."""
    try:
        number, poll = backend.socket(connection), _poll()
        if number < 0:
            return True
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, dialect.loaded_dbapi.Error):
        return True
