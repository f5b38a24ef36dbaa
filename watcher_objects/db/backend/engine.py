# SPDX-License-Identifier: Apache-2.0
"""The creation of SQLAlchemy engines.

Connections are in autocommit: a read is one statement, a write that is one statement is its
own transaction, and :mod:`watcher_objects.db.transactions` says BEGIN and COMMIT itself.
"""

import functools
import logging
import weakref
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc, pool
from sqlalchemy.util import queue

from watcher_objects import exception
from watcher_objects.db.backend import budget, dialects, errors, sessions, urls

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
    """SQLAlchemy's pool of a fixed number of connections and some more.

    Its waits end also while a test freezes the clock. Once disposed of it closes the connections
    that come back to it, which SQLAlchemy leaves to the garbage collector. A connection that an
    interrupt has kept from coming back is no longer counted once it is collected.
    """

    _queue_class = _Queue
    _is_disposed = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._records: weakref.WeakSet[Any] = weakref.WeakSet()
        # How many connections are counted and not made yet, and how many of those never will be.
        self._expected = self._failed = 0

    def _inc_overflow(self) -> bool:
        is_allowed = super()._inc_overflow()
        with self._overflow_lock:
            self._expected += is_allowed
        return is_allowed

    def _create_connection(self) -> Any:
        try:
            record = super()._create_connection()
        except BaseException:
            self._failed += 1
            raise
        self._records.add(record)
        with self._overflow_lock:
            self._expected -= 1
        return record

    def _do_get(self) -> Any:
        if 0 <= self._max_overflow <= self._overflow:
            self._count_again()
        try:
            return super()._do_get()
        except BaseException:
            # What failed is counted no longer.
            with self._overflow_lock:
                self._expected, self._failed = self._expected - self._failed, 0
            raise

    def _count_again(self) -> None:
        with self._overflow_lock:
            number = len(self._records) + self._expected
            self._overflow = min(self._overflow, number - self.size())

    def dispose(self) -> None:
        """Close the connections that are idle, and later each that is returned."""
        self._is_disposed = True
        super().dispose()

    def _do_return_conn(self, record: Any) -> None:
        super()._do_return_conn(record)
        if self._is_disposed:
            # Also what was returned during the above.
            super().dispose()


def create(url: str | sa.URL, lock_timeout: int, engine_options: Mapping[str, Any]) -> sa.Engine:
    """Return an engine; nothing is connected yet.

    :param lock_timeout: seconds to wait for a lock
    :raises InvalidParameter: the URL or an option cannot be used
    :raises DatabaseError: the driver is not installed
    """
    parsed = urls.parsed(url)
    options = _options(parsed, lock_timeout, engine_options)
    try:
        engine = sa.create_engine(urls.without_secrets(parsed), **options)
    except ImportError as error:
        extra = dialects.of_url(parsed).extra
        reason = f"its driver is missing: pip install 'watcher-objects[{extra}]'"
        raise exception.DatabaseError(reason=reason) from error
    except exc.NoSuchModuleError:
        plugins = exception.safe_repr(parsed.query.get("plugin"))
        raise _bad_parameter("url", f"one whose plugins are installed, not {plugins}") from None
    except Exception as error:
        allowed = f"what create_engine takes, which raised {type(error).__name__}"
        raise _bad_parameter("engine_options", allowed) from None
    logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGING_NAME}").addFilter(errors.tells_no_row)
    _listen(engine, lock_timeout)
    return engine


def _bad_parameter(name: str, allowed: str) -> exception.InvalidParameter:
    return exception.InvalidParameter(parameter=name, parameter_type=allowed)


def _options(url: sa.URL, lock_timeout: int, given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := given.keys() - _OPTIONS:
        allowed = f"one of {', '.join(sorted(_OPTIONS))}"
        raise _bad_parameter(f"engine option {min(unknown)}", allowed)
    # For more, the call waits by being retried.
    wait = {} if "poolclass" in given else {"pool_timeout": 1}
    options: dict[str, Any] = {
        **wait,
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "pool_reset_on_return": None,
        "poolclass": Pool,
        "hide_parameters": True,
        "logging_name": _LOGGING_NAME,
    }
    backend = dialects.of_url(url)
    usual, required = backend.connect_arguments(url, lock_timeout), backend.required_arguments
    connect_args = {**usual, **given.get("connect_args", {}), **required}
    return {**options, **backend.engine_options(url), **given, "connect_args": connect_args}


def _listen(engine: sa.Engine, lock_timeout: int) -> None:
    backend = dialects.of(engine)
    event.listen(engine, "handle_error", errors.handle, retval=True)
    event.listen(engine, "checkin", functools.partial(sessions.on_checkin, backend))
    event.listen(engine, "invalidate", sessions.close_cursor)
    if backend.is_server:
        event.listen(
            engine, "checkout", functools.partial(sessions.check, backend, engine.dialect)
        )
    prepare = functools.partial(sessions.prepare, backend, lock_timeout)
    # First of all: SQLAlchemy's dialect quotes names by the sql_mode that it finds.
    event.listen(engine, "connect", prepare, insert=True)
    event.listen(engine, "do_connect", backend.connect)
