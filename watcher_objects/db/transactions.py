# SPDX-License-Identifier: Apache-2.0
"""Statements, transactions, and what waits for their end."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import sqlalchemy as sa
from oslo_db import api as oslo_db_api
from sqlalchemy import exc

from watcher_objects import exception
from watcher_objects.db import engine, errors, statements

P = ParamSpec("P")
R = TypeVar("R")

_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN", "mysql": "START TRANSACTION"}


class Result(NamedTuple):
    """The rows that a statement returned, and how many it matched."""

    rows: Sequence[Any]
    matched: int


class _Thread(threading.local):
    transaction: "_Transaction | None" = None


_thread = _Thread()


def execute(
    statement: sa.Executable,
    rows: Sequence[Mapping[str, Any]] = (),
    although_failed: bool = False,
) -> Result:
    """Run one statement, in this thread's transaction if there is one.

    :param rows: the values of an INSERT
    :param although_failed: also in a transaction in which a statement has failed
    """
    current = _current()
    if current is None:
        with engine.connect() as connection:
            return _run(connection, statement, rows)
    return current.run(lambda on: _run(on, statement, rows), although_failed)


def _run(
    connection: sa.Connection, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]
) -> Result:
    with errors.translated(connection.engine):
        result = connection.execute(statement, rows or None)
        return Result(result.fetchall() if result.returns_rows else [], result.rowcount)


def run(statement: statements.Statement, values: Mapping[str, Any]) -> Result:
    """Run a statement that was compiled before, where :func:`execute` would."""
    current = _current()
    if current is None:
        return Result(*statements.run(statement, values))
    return current.run(lambda on: Result(*statements.run_on(on, statement, values)))


class _Transaction:
    """One level of a transaction: the outermost, or a savepoint in another."""

    def __init__(self, connection: sa.Connection, parent: "_Transaction | None") -> None:
        self.connection = connection
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.process = os.getpid()
        self.failure: BaseException | None = None
        self.is_over = False
        self.after_commit: list[Callable[[], None]] = []
        self.after_rollback: list[Callable[[], None]] = []

    def check(self) -> None:
        """Refuse to go on where nothing could be said of the outcome."""
        reason = None
        if self.process != os.getpid():
            reason = "a child process can't go on with its parent's transaction"
        elif _thread.transaction is not self:
            reason = "transactions end in their own thread, the inner before the outer"
        elif self.failure is not None:
            # The databases differ in what is left after an error.
            reason = "a statement of this transaction has failed, so it can only be rolled back"
        if reason is not None:
            raise exception.DatabaseError(reason=reason) from self.failure

    def run(self, work: Callable[[sa.Connection], Result], anyway: bool = False) -> Result:
        """Run a statement in this transaction, which can't go on after an error of it."""
        if not anyway:
            self.check()
        try:
            return work(self.connection)
        except exception.WatcherException as error:
            self.failure = error
            raise

    def _say(self, outermost: str, nested: str) -> None:
        text = f"{nested} level_{self.depth}" if self.depth else outermost
        with errors.translated(self.connection.engine):
            self.connection.exec_driver_sql(text)

    def begin(self) -> None:
        self._say(_BEGIN[self.connection.dialect.name], "SAVEPOINT")

    def commit(self) -> None:
        self.check()
        self._say("COMMIT", "RELEASE SAVEPOINT")
        self.is_over = True

    def rollback(self) -> None:
        """Roll back, unless it is committed, and let the objects be as they were."""
        if self.is_over:
            return
        self.is_over = True
        try:
            if self.process == os.getpid():
                self._say("ROLLBACK", "ROLLBACK TO SAVEPOINT")
        except BaseException as error:
            self._give_up(error)
            if not isinstance(error, exception.DatabaseError):
                raise
        finally:
            for undo in reversed(self.after_rollback):
                undo()

    def _give_up(self, error: BaseException) -> None:
        """Let whatever is open go with its connection, and the outer levels with it."""
        with contextlib.suppress(exc.SQLAlchemyError):
            self.connection.invalidate()
        outer = self.parent
        while outer is not None:
            outer.failure, outer = error, outer.parent


def _current() -> _Transaction | None:
    """Return the innermost transaction of this thread that has not ended."""
    found = _thread.transaction
    while found is not None and (found.is_over or found.connection.closed):
        found = found.parent
    _thread.transaction = found
    return found


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """Group writes: all of them happen, or none does and the objects are as before.

    A transaction inside another is a savepoint of it. Each thread has its own. An error of
    the database ends the transaction that it happened in, also if it is caught inside.

    :raises DatabaseUnavailable: also when COMMIT was not answered; the outcome is unknown then
    """
    parent = _current()
    if parent is not None:
        parent.check()
    with connected() as connection:
        current = _Transaction(connection, parent)
        try:
            current.begin()
            _thread.transaction = current
            yield
            current.commit()
        except BaseException:
            current.rollback()
            raise
        finally:
            _current()
    if parent is None:
        for tell in current.after_commit:
            tell()
    else:
        parent.after_commit += current.after_commit
        parent.after_rollback += current.after_rollback


@contextlib.contextmanager
def connected() -> Iterator[sa.Connection]:
    """Lend the connection of this thread's transaction, or one of the pool's in autocommit."""
    current = _current()
    if current is not None:
        yield current.connection
    else:
        with engine.connect() as connection:
            yield connection


def joined() -> contextlib.AbstractContextManager[None]:
    """Return this thread's transaction as it is, or a new one."""
    return contextlib.nullcontext() if in_transaction() else transaction()


def in_transaction() -> bool:
    """Tell whether this thread is inside :func:`transaction`."""
    return _current() is not None


def after_commit(tell: Callable[[], None]) -> None:
    """Call ``tell`` once what was written is there to stay: now, outside a transaction."""
    current = _current()
    if current is None:
        tell()
    else:
        current.after_commit.append(tell)


def after_rollback(undo: Callable[[], None]) -> None:
    """Call ``undo`` if the transaction around this is rolled back; outside one, never."""
    current = _current()
    if current is not None:
        current.after_rollback.append(undo)


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Make a call try again when it lost to a lock: nothing of it has happened then.

    It does so for ``engine.LOCK_TIMEOUT`` seconds. Inside a transaction it does not: the
    whole of that is lost, and its owner's to repeat.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.monotonic()
        try:
            return function(*args, **kwargs)
        except exception.DatabaseUnavailable as error:
            if not error.may_retry or in_transaction():
                raise

        def lost_to_a_lock(error: Exception) -> bool:
            lost = isinstance(error, exception.DatabaseUnavailable) and error.may_retry
            return lost and time.monotonic() < began + engine.LOCK_TIMEOUT

        again = oslo_db_api.wrap_db_retry(
            retry_interval=0.02,
            max_retry_interval=1,
            jitter=True,
            exception_checker=lost_to_a_lock,
        )
        return again(function)(*args, **kwargs)

    return call
