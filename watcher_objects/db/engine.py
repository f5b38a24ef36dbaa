# SPDX-License-Identifier: Apache-2.0
"""The connection to the database: the only room that knows a driver.

Connections are in autocommit: a read is one statement, a write that is one statement is its
own transaction, and :mod:`watcher_objects.db.transactions` says BEGIN and COMMIT itself.
"""

import contextlib
import functools
import logging
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, pool

from watcher_objects import exception
from watcher_objects.db import budget, drivers, errors, sessions, urls
from watcher_objects.transitions import PROFILES

#: Seconds to wait at most for a lock that somebody else holds.
LOCK_TIMEOUT = 30

_OPTIONS = {
    "connect_args",
    "echo",
    "max_overflow",
    "pool_pre_ping",
    "pool_recycle",
    "pool_size",
    "pool_timeout",
    "pool_use_lifo",
    "poolclass",
}

_LOGGING_NAME = "watcher_objects"

_engine: sa.Engine | None = None
# Connections of the pool that are at hand; and those of a parent process.
_kept: list[Any] = []
_abandoned: list[Any] = []
_profile = PROFILES[0]


def configure(
    url: str | sa.URL,
    transitions: str = PROFILES[0],
    retry_for: float = budget.SECONDS,
    **engine_options: Any,
) -> None:
    """Say which database the objects live in; nothing is connected yet.

    An earlier database is let go. On SQLite the file is made at first use, for its owner only.

    :param url: ``sqlite:///FILE``, ``postgresql://...`` or ``mysql://...`` (MariaDB)
    :param transitions: the profile of the life-cycles, ``strict`` or ``watcher``; see
        :mod:`watcher_objects.transitions`
    :param retry_for: seconds for which a call is tried again while the database is away or
        busy, from 2 up; 0 for not at all
    :param engine_options: arguments for SQLAlchemy's ``create_engine``, of those that tell
        about connections: ``pool_size``, ``max_overflow``, ``connect_args``, ...; ``echo`` logs
        what goes through SQLAlchemy, never the values of a statement or a row
    :raises InvalidParameter: the URL or an option can't be used
    :raises DatabaseError: the database's driver is not installed
    """
    global _engine, _profile
    if transitions not in PROFILES:
        raise _bad_parameter("transitions", " or ".join(PROFILES))
    if type(retry_for) not in (int, float) or not 0 <= retry_for <= budget.LONGEST:
        raise _bad_parameter("retry_for", f"a number of seconds from 0 to {budget.LONGEST}")
    parsed = urls.parsed(url)
    lock_timeout = min(LOCK_TIMEOUT, math.ceil(retry_for)) or LOCK_TIMEOUT
    options = _options(parsed, lock_timeout, engine_options)
    try:
        engine = sa.create_engine(urls.without_secrets(parsed), **options)
    except ModuleNotFoundError as error:
        # The extras are named as the backends are.
        extra = parsed.get_backend_name()
        reason = f"its driver is missing: pip install 'watcher-objects[{extra}]'"
        raise exception.DatabaseError(reason=reason) from error
    except Exception as error:
        allowed = f"what create_engine takes, which raised {type(error).__name__}"
        raise _bad_parameter("engine_options", allowed) from None
    logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGING_NAME}").addFilter(errors.tells_no_row)
    _listen(engine, lock_timeout)
    dispose()
    _engine, _profile = engine, transitions
    budget.allow(retry_for)


def dispose() -> None:
    """Close the pooled connections and forget the database."""
    global _engine  # noqa: PLW0603 - as above
    _let_go(len(_kept))
    if _engine is not None:
        _engine.dispose()
    _engine = None


def _let_go(number: int) -> None:
    """Give back to the pool some of the connections that are kept."""
    for _ in range(min(number, len(_kept))):
        with contextlib.suppress(IndexError):
            _kept.pop().close()


def get_engine() -> sa.Engine:
    """Return SQLAlchemy's engine of the configured database.

    :raises DatabaseNotConfigured: :func:`configure` has not been called
    """
    if _engine is None:
        raise exception.DatabaseNotConfigured()
    return _engine


def get_dialect() -> sa.Dialect:
    """Return the dialect of the configured database, which has seen its server."""
    dialect = get_engine().dialect
    # What a server can do is known once it is connected.
    if getattr(dialect, "server_version_info", None) is None:
        with connect():
            pass
    return dialect


def get_profile() -> str:
    """Return the profile of the life-cycles that :func:`configure` was given."""
    return _profile


def _forget_connections() -> None:
    # A child process must not talk on its parent's sockets, nor close them.
    _abandoned.extend(_kept)
    _kept.clear()
    if _engine is not None:
        _engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)


def _bad_parameter(name: str, allowed: str) -> exception.InvalidParameter:
    return exception.InvalidParameter(parameter=name, parameter_type=allowed)


def _options(url: sa.URL, lock_timeout: int, given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := given.keys() - _OPTIONS:
        allowed = f"one of {', '.join(sorted(_OPTIONS))}"
        raise _bad_parameter(f"engine option {min(unknown)}", allowed)
    # For more, the call waits by being tried again.
    wait = {} if "poolclass" in given else {"pool_timeout": 1}
    options: dict[str, Any] = {
        **wait,
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "pool_reset_on_return": None,
        "hide_parameters": True,
        "logging_name": _LOGGING_NAME,
    }
    if url.get_backend_name() != "sqlite":
        args = {"connect_args": {**urls.secrets(url), **given.get("connect_args", {})}}
        # Values without names, which SQLAlchemy would put into a dict and psycopg take out.
        return {**options, "pool_recycle": 3600, "paramstyle": "format", **given, **args}
    connect_args = {"timeout": lock_timeout, "check_same_thread": False}
    if not url.database or url.database == ":memory:":
        # One connection, lent to one thread at a time, or each would see its own database.
        options |= {"poolclass": pool.QueuePool, "pool_size": 1, "max_overflow": 0}
    return {**options, **given, "connect_args": {**connect_args, **given.get("connect_args", {})}}


def _listen(engine: sa.Engine, lock_timeout: int) -> None:
    event.listen(engine, "handle_error", errors.handle, retval=True)
    event.listen(engine, "checkin", functools.partial(sessions.drop_if_open, engine.dialect.name))
    event.listen(engine, "invalidate", sessions.close_cursor)
    if engine.dialect.name != "sqlite":
        event.listen(engine, "checkout", functools.partial(sessions.check, engine.dialect))
    prepare = functools.partial(sessions.prepare, engine.dialect.name, lock_timeout)
    event.listen(engine, "connect", prepare)
    path = engine.url.database
    if engine.dialect.name != "sqlite":
        event.listen(engine, "do_connect", drivers.connect)
    elif path and path != ":memory:":
        event.listen(engine, "do_connect", functools.partial(sessions.create_private, path))


@contextlib.contextmanager
def connect() -> Iterator[sa.Connection]:
    """Lend a connection of the pool.

    :raises DatabaseUnavailable: none can be had
    """
    engine = get_engine()
    _let_go(1)
    with errors.translated(engine, connecting=True):
        connection = engine.connect()
    with connection:
        yield connection


def lend() -> Any:
    """Lend a connection of those that are kept, or else of the pool; :func:`keep` takes it back.

    To get one from the pool, and to give it back, takes longer than many a statement.

    :raises DatabaseUnavailable: none can be had
    """
    engine = get_engine()
    # Another thread may take the last one.
    with contextlib.suppress(IndexError):
        while not sessions.is_good(engine.dialect, lent := _kept.pop()):
            # The pool knows what to do with it.
            lent.close()
        return lent
    try:
        return engine.raw_connection()
    except Exception as error:
        errors.tell(engine, error, connecting=True)


def keep(lent: Any) -> None:
    """Keep a connection at hand, unless somebody may be waiting for it at the pool."""
    shared: Any = _engine.pool if _engine else None
    # A pool of another kind has its reasons; of another database there is nothing to keep.
    is_ours = isinstance(shared, pool.QueuePool) and lent.is_valid and lent._pool is shared
    is_enough = is_ours and len(_kept) >= shared.size()
    if is_ours and not is_enough and not 0 <= shared._max_overflow <= shared.overflow():
        sessions.returned(lent)
        _kept.append(lent)
    else:
        lent.close()
