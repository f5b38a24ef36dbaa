# SPDX-License-Identifier: Apache-2.0
"""The driver of SQLite: connections that wait in Python, and that a forked child can discard."""

import contextlib
import functools
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from watcher_objects import exception
from watcher_objects.db.backend import budget, forks

# Seconds between two attempts to get a lock: the first, which doubles, and the longest.
_FIRST, _LONGEST = 0.001, 0.02

# Whether a connection is in a transaction, and the number of rows that it has changed.
_State = tuple[bool, int]


class Cursor(sqlite3.Cursor):
    """A cursor whose calls no fork interrupts."""

    executescript = forks.guarded(sqlite3.Cursor.executescript)
    fetchone = forks.guarded(sqlite3.Cursor.fetchone)
    fetchmany = forks.guarded(sqlite3.Cursor.fetchmany)
    fetchall = forks.guarded(sqlite3.Cursor.fetchall)
    __next__ = forks.guarded(sqlite3.Cursor.__next__)  # type: ignore[arg-type]
    close = forks.guarded(sqlite3.Cursor.close)
    _finish = forks.guarded(sqlite3.Cursor.close, waits=False)
    _execute = forks.guarded(sqlite3.Cursor.execute)
    _execute_many = forks.guarded(sqlite3.Cursor.executemany)

    def execute(self, *args: Any) -> Any:
        """Execute a statement."""
        connection = self.connection
        is_open = connection.in_transaction
        try:
            return self._execute(*args)
        except sqlite3.OperationalError as error:
            before = is_open, connection.total_changes
            if not self._can_wait(error, before):
                raise
        return self._repeat(self._execute, args, before)

    def executemany(self, statement: str, rows: Any) -> Any:
        """Execute a statement for each of some rows."""
        args = statement, list(rows)
        before = self.connection.in_transaction, self.connection.total_changes
        try:
            return self._execute_many(*args)
        except sqlite3.OperationalError as error:
            if not self._can_wait(error, before):
                raise
        return self._repeat(self._execute_many, args, before)

    def __del__(self) -> None:
        # At the end of the process nothing else is left of this module.
        try:
            self._finish()
        except Exception:
            return

    def _repeat(self, call: Callable[..., Any], args: Sequence[Any], before: _State) -> Any:
        """Repeat a call until it gets the lock, as SQLite does if it is given a timeout.

        In Python other green threads run while one waits, and so does a fork.
        """
        connection: Any = self.connection
        left = budget.remaining()
        limit = connection.lock_timeout if left is None else min(connection.lock_timeout, left)
        for pause in _pauses(limit):
            time.sleep(pause)
            try:
                return call(*args)
            except sqlite3.OperationalError as error:
                if not self._can_wait(error, before):
                    raise
        return call(*args)

    def _can_wait(self, error: sqlite3.OperationalError, before: _State) -> bool:
        """Return whether a lock was taken, and nothing has changed."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        # A transaction that has read what others have changed since can't write any more.
        is_stale = before[0] and code == sqlite3.SQLITE_BUSY_SNAPSHOT
        is_same = before == (self.connection.in_transaction, self.connection.total_changes)
        return code & 0xFF == sqlite3.SQLITE_BUSY and is_same and not is_stale


def _pauses(limit: float) -> Iterator[float]:
    """Yield seconds to wait until their sum is the limit, whatever a clock says."""
    waited, pause = 0.0, _FIRST
    while waited < limit:
        yield pause
        waited += pause
        pause = min(2 * pause, _LONGEST)


class Connection(sqlite3.Connection):
    """A connection whose calls no fork interrupts, and that knows its cursors."""

    __exit__ = forks.guarded(sqlite3.Connection.__exit__)
    backup = forks.guarded(sqlite3.Connection.backup)
    commit = forks.guarded(sqlite3.Connection.commit)
    rollback = forks.guarded(sqlite3.Connection.rollback)
    _close = forks.guarded(sqlite3.Connection.close)
    _open = forks.guarded(sqlite3.Connection.__init__)

    def __init__(self, database: str, timeout: float = 5.0, *args: Any, **options: Any) -> None:
        self.path, self.lock_timeout, self.is_discarded = database, timeout, False
        self.cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self._open(database, 0, *args, **options)

    def close(self) -> None:
        """Close the connection, of which a child inherits nothing from here on."""
        self._close()
        forks.forget(self)

    @property
    def isolation_level(self) -> Any:
        """How the driver begins transactions; SQLAlchemy also asks a discarded connection."""
        return None if self.is_discarded else super().isolation_level

    @isolation_level.setter
    def isolation_level(self, level: Any) -> None:
        vars(sqlite3.Connection)["isolation_level"].__set__(self, level)

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """Return a new cursor."""
        made = super().cursor(_derived(factory, Cursor))
        self.cursors.add(made)
        return made


@functools.cache
def _derived(given: type, ours: type) -> type:
    """Return a class of a caller's with ours under it."""
    if not isinstance(given, type) or not issubclass(given, ours.__base__ or ours):
        name = f"subclass of sqlite3.{ours.__name__}"
        raise exception.InvalidParameter(parameter="factory", parameter_type=name)
    return ours if issubclass(ours, given) else type(given.__name__, (given, ours), {})


# In-memory databases that a child inherited, which nobody uses yet.
_copies: list[Any] = []


def connect(dialect: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """Connect as SQLAlchemy would, by a connection that a child can discard.

    A new file is for its owner only.

    :raises DatabaseError: this is a child that can't use SQLite
    """
    forks.check()
    for copy in _copies:
        if copy.dialect is dialect:
            _copies.remove(copy)
            return copy
    if (path := args[0] if args else "") not in ("", ":memory:"):
        _create_private(path)
    factory = _derived(options.get("factory", sqlite3.Connection), Connection)
    made: Any = factory(*args, **{key: options[key] for key in options.keys() - {"factory"}})
    made.dialect = dialect
    is_file = made.path not in ("", ":memory:")
    forks.register(made, _close_copy if is_file else _keep_copy, is_file)
    return made


def _create_private(path: str) -> None:
    """Create the file of a database for its owner only, unless it exists."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _close_copy(connection: Connection, fork: forks.Fork) -> bool:
    """Close a child's copy of a connection to a file, which the parent goes on using."""
    if not fork.is_quiet or _has_journal(connection.path):
        return False
    if connection.in_transaction and not (fork.pipe and _keeps_changes(connection)):
        return False
    _roll_back(connection)
    connection.close()
    connection.is_discarded = True
    return True


def _keep_copy(connection: Connection, fork: forks.Fork) -> bool:
    """Keep a child's copy of a database in memory, with what was committed."""
    if fork.is_quiet:
        _roll_back(connection)
        _copies.append(connection)
    return fork.is_quiet


def _has_journal(path: str) -> bool:
    """Return whether somebody writes without WAL: a rollback would delete the parent's journal."""
    with contextlib.suppress(OSError):
        return os.path.getsize(f"{path}-journal") > 0
    return False


def _keeps_changes(connection: Connection) -> bool:
    """Return whether no change is in the WAL before COMMIT.

    A rollback would remove it from the index of the WAL, which the processes share.
    """
    is_spilled: tuple[int] = connection.execute("PRAGMA cache_spill").fetchone()
    return is_spilled == (0,)


def _roll_back(connection: Connection) -> None:
    if not connection.in_transaction:
        # Or a statement whose rows are not all read would commit where it is closed.
        connection.execute("BEGIN")
    for cursor in list(connection.cursors):
        cursor.close()
    connection.rollback()
