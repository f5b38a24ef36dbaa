# SPDX-License-Identifier: Apache-2.0
"""A database: its engine, its idle connections, and its options.

:func:`configure` creates the default one. :meth:`Database.use` makes another one current for a
block: that is kept in a context variable, so each thread and each task has its own.
"""

import contextlib
import functools
import math
import os
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa
from sqlalchemy import pool

from watcher_objects import exception
from watcher_objects.db.backend import budget, dialects, engine, errors, green, sessions
from watcher_objects.db.backend.dialects.base import Backend
from watcher_objects.transitions import PROFILES

#: Seconds to wait at most for a lock that another transaction holds.
LOCK_TIMEOUT = 30

#: What lists may do about a row that no object can hold; the first is the default.
UNREADABLE = ("raise", "skip")


class Database:
    """A database that objects are stored in. Nothing is connected before its first use.

    On SQLite the file is created at first use, readable by its owner only.

    :param url: ``sqlite:///FILE``, ``postgresql://...`` or ``mysql://...`` (MariaDB)
    :param transitions: the profile of the life-cycles, ``strict`` or ``watcher``; see
        :mod:`watcher_objects.transitions`
    :param retry_for: seconds for which a call is retried while the database is unavailable or
        busy, from 2 to 86400; 0 for not at all
    :param unreadable: what ``list`` and ``iterate`` do about a row that no object can hold, as
        other programs may have written it: ``raise``, or ``skip`` it with a warning that names it
    :param journal: whether each transition is recorded in the table ``transitions``
    :param engine_options: arguments of SQLAlchemy's ``create_engine`` that concern connections:
        ``pool_size``, ``max_overflow``, ``connect_args``, ...; ``echo`` logs what goes through
        SQLAlchemy, never the values of a statement or a row
    :raises InvalidParameter: the URL or an option cannot be used
    :raises DatabaseError: the database's driver is not installed; or eventlet or gevent has
        patched only a part of what blocks
    """

    def __init__(
        self,
        url: str | sa.URL,
        transitions: str = PROFILES[0],
        retry_for: float = budget.SECONDS,
        unreadable: str = UNREADABLE[0],
        journal: bool = True,
        **engine_options: Any,
    ) -> None:
        self._patching = green.Patching()
        seconds = budget.checked(retry_for)
        #: The profile of the life-cycles.
        self.profile = _checked("transitions", transitions, PROFILES)
        #: What lists do about a row that no object can hold.
        self.unreadable = _checked("unreadable", unreadable, UNREADABLE)
        #: Whether each transition is recorded.
        self.journal = journal
        #: Seconds that a call may take.
        self.timeout = seconds or math.inf
        lock_timeout = min(LOCK_TIMEOUT, math.ceil(seconds)) or LOCK_TIMEOUT
        #: SQLAlchemy's engine.
        self.engine = engine.create(url, lock_timeout, engine_options)
        #: What this kind of database does in its own way.
        self.backend: Backend = dialects.of(self.engine)
        #: Whether it is a node of a cluster, whose locks are those of one node; None: not known
        #: yet.
        self.is_cluster_node: bool | None = None
        #: When workers were last notified of work in a table.
        self.announced: dict[str, float] = {}
        # Connections of the pool that are at hand.
        self._idle: list[Any] = []
        _all.add(self)

    @contextlib.contextmanager
    def use(self) -> Iterator["Database"]:
        """Make this the current database inside the block, in this thread or task only."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    @functools.cached_property
    def dialect(self) -> sa.Dialect:
        """SQLAlchemy's dialect, which knows the version of its server once it has connected."""
        if getattr(self.engine.dialect, "server_version_info", None) is None:
            self.checkout().close()
        return self.engine.dialect

    def checkout(self) -> sa.Connection:
        """Return a connection of the pool.

        :raises DatabaseUnavailable: there is none
        """
        self._patching.check()
        with contextlib.suppress(IndexError):
            # The pool may have no other.
            self._idle.pop().close()
        with errors.translated(self.engine, connecting=True):
            return self.engine.connect()

    def acquire(self) -> Any:
        """Return an idle connection, or one of the pool; pass it to :meth:`release` afterwards.

        Checking out from the pool, and checking in, takes longer than many statements do.

        :raises DatabaseUnavailable: there is none
        """
        self._patching.check()
        # Another thread may take the last one.
        with contextlib.suppress(IndexError):
            while not self._is_usable(connection := self._idle.pop()):
                # The pool knows what to do with it.
                connection.close()
            return connection
        try:
            return self.engine.raw_connection()
        except Exception as error:
            errors.raise_translated(self.engine, error, connecting=True)

    def _is_usable(self, connection: Any) -> bool:
        """Return whether an idle connection can be used without going through the pool."""
        if not connection.is_valid:
            return False
        if budget.now() - connection.info[sessions.RETURNED] > sessions.IDLE:
            return False
        backend, inner = self.backend, connection.dbapi_connection
        return not (
            backend.is_server and sessions.has_hung_up(backend, self.engine.dialect, inner)
        )

    def release(self, connection: Any) -> None:
        """Keep a connection for the next call, unless a thread may be waiting at the pool."""
        shared: Any = self.engine.pool
        # A pool of another kind has its reasons, and one that was disposed of closes it.
        is_ours = connection.is_valid and connection._pool is shared
        is_ours = is_ours and isinstance(shared, pool.QueuePool)
        is_ours = is_ours and not connection.info.get(sessions.USED)
        is_enough = is_ours and len(self._idle) >= shared.size()
        if is_ours and not is_enough and not 0 <= shared._max_overflow <= shared.overflow():
            connection.info[sessions.RETURNED] = budget.now()
            self._idle.append(connection)
        else:
            connection.close()

    def dispose(self) -> None:
        """Close the connections that are idle; those in use are closed when they are released."""
        self.engine.dispose()
        with contextlib.suppress(IndexError):
            while True:
                self.release(self._idle.pop())

    def _forget_connections(self) -> None:
        # A child process connects anew. What these were connected to, forks.py has discarded.
        _abandoned.extend(self._idle)
        self._idle.clear()
        self.engine.dispose(close=False)


_all: weakref.WeakSet[Database] = weakref.WeakSet()
_current: ContextVar[Database | None] = ContextVar("database", default=None)
_default: Database | None = None
# The profile where there is no database, as in clients of RPC.
_profile = PROFILES[0]
# Connections of a parent process, which are not to be closed.
_abandoned: list[Any] = []


def _forget_connections() -> None:
    for database in list(_all):
        database._forget_connections()


os.register_at_fork(after_in_child=_forget_connections)


def configure(
    url: str | sa.URL,
    transitions: str = PROFILES[0],
    retry_for: float = budget.SECONDS,
    unreadable: str = UNREADABLE[0],
    journal: bool = True,
    **engine_options: Any,
) -> Database:
    """Create the default database, in place of an earlier one, and return it.

    The parameters and errors are those of :class:`Database`.
    """
    global _default  # noqa: PLW0603 - the default of all threads
    created = Database(url, transitions, retry_for, unreadable, journal, **engine_options)
    dispose()
    _default = created
    return created


def dispose() -> None:
    """Close the connections of the default database that are idle, and forget it."""
    global _default  # noqa: PLW0603 - as above
    if _default is not None:
        _default.dispose()
    _default = None


def find() -> Database | None:
    """Return the current database, or None if there is none."""
    return _current.get() or _default


def current() -> Database:
    """Return the current database: that of :meth:`Database.use`, or the default.

    :raises DatabaseNotConfigured: :func:`configure` has not been called
    """
    found = _current.get() or _default
    if found is None:
        raise exception.DatabaseNotConfigured()
    return found


def get_engine() -> sa.Engine:
    """Return SQLAlchemy's engine of the current database.

    :raises DatabaseNotConfigured: :func:`configure` has not been called
    """
    return current().engine


def get_profile() -> str:
    """Return the profile of the life-cycles of the current database."""
    found = _current.get() or _default
    return found.profile if found is not None else _profile


def use_profile(transitions: str) -> None:
    """Choose the profile of the life-cycles, also where no database is configured.

    :raises InvalidParameter: there is no such profile
    """
    global _profile  # noqa: PLW0603 - as above
    _profile = _checked("transitions", transitions, PROFILES)
    if found := find():
        found.profile = _profile


def timeout() -> float:
    """Return the seconds that a call may take."""
    found = _current.get() or _default
    return found.timeout if found is not None else budget.SECONDS


@contextlib.contextmanager
def connect() -> Iterator[sa.Connection]:
    """Yield a connection of the current database's pool.

    :raises DatabaseUnavailable: there is none
    """
    with current().checkout() as connection:
        yield connection


def _checked(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        listed = " or ".join(allowed)
        raise exception.InvalidParameter(parameter=name, parameter_type=listed)
    return value
