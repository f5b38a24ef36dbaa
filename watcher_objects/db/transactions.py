# SPDX-License-Identifier: Apache-2.0
"""Statements, transactions, and what waits for their end."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import sqlalchemy as sa
from oslo_db import api as oslo_db_api

from watcher_objects import exception
from watcher_objects.db import engine, errors

P = ParamSpec("P")
R = TypeVar("R")

_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN", "mysql": "START TRANSACTION"}


class Result(NamedTuple):
    """The rows that a statement returned, and how many it matched."""

    rows: Sequence[sa.Row[Any]]
    matched: int


class _Thread(threading.local):
    transaction: "_Transaction | None" = None


_thread = _Thread()


def _forget_transaction() -> None:
    # A child process is in none of its parent's transactions.
    _thread.transaction = None


os.register_at_fork(after_in_child=_forget_transaction)


def _run(connection: sa.Connection, statement: sa.Executable) -> Result:
    with errors.translated(connection.engine):
        result = connection.execute(statement)
        return Result(result.fetchall() if result.returns_rows else [], result.rowcount)


def execute(statement: sa.Executable, although_failed: bool = False) -> Result:
    """Run one statement, in this thread's transaction if there is one.

    :param although_failed: also in a transaction in which a statement has failed
    """
    if _thread.transaction is not None:
        if not although_failed:
            _thread.transaction.check()
        return _thread.transaction.execute(statement)
    with engine.connect() as connection:
        return _run(connection, statement)


class _Transaction:
    """One level of a transaction: the outermost, or a savepoint in another."""

    def __init__(self, connection: sa.Connection, parent: "_Transaction | None") -> None:
        self.connection = connection
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.failure: Exception | None = None
        self.after_commit: list[Callable[[], None]] = []
        self.after_rollback: list[Callable[[], None]] = []

    def execute(self, statement: sa.Executable) -> Result:
        try:
            return _run(self.connection, statement)
        except exception.WatcherException as error:
            self.failure = error
            raise

    def check(self) -> None:
        """Refuse to go on after a statement failed: the databases differ in what is left."""
        if self.failure is not None:
            reason = "a statement of this transaction has failed, so it can only be rolled back"
            raise exception.DatabaseError(reason=reason) from self.failure

    def _say(self, outermost: str, nested: str) -> None:
        text = f"{nested} level_{self.depth}" if self.depth else outermost
        with errors.translated(self.connection.engine):
            self.connection.exec_driver_sql(text)

    def begin(self) -> None:
        self._say(_BEGIN[self.connection.dialect.name], "SAVEPOINT")

    def commit(self) -> None:
        self.check()
        self._say("COMMIT", "RELEASE SAVEPOINT")

    def rollback(self) -> None:
        try:
            self._say("ROLLBACK", "ROLLBACK TO SAVEPOINT")
        except exception.DatabaseError as error:
            # Whatever is still open goes with the connection, and the outer levels with it.
            self.connection.invalidate()
            outer = self.parent
            while outer is not None:
                outer.failure, outer = error, outer.parent
        for undo in reversed(self.after_rollback):
            undo()


@contextlib.contextmanager
def transaction() -> Iterator[sa.Connection]:
    """Group writes: all of them happen, or none does and the objects are as before.

    A transaction inside another is a savepoint of it. Each thread has its own. An error of
    the database ends the transaction that it happened in, also if it is caught inside.

    :raises DatabaseUnavailable: also when COMMIT was not answered; the outcome is unknown then
    """
    parent = _thread.transaction
    with contextlib.nullcontext(parent.connection) if parent else engine.connect() as connection:
        current = _Transaction(connection, parent)
        current.begin()
        _thread.transaction = current
        try:
            yield connection
            current.commit()
        except BaseException:
            current.rollback()
            raise
        finally:
            _thread.transaction = parent
    if parent is None:
        for tell in current.after_commit:
            tell()
    else:
        parent.after_commit += current.after_commit
        parent.after_rollback += current.after_rollback


def _lost_to_a_lock(error: Exception) -> bool:
    return isinstance(error, exception.DatabaseUnavailable) and error.may_retry


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Make a call try again when it lost to a lock: nothing of it has happened then.

    Inside a transaction it does not: the whole of that is lost, and its owner's to repeat.
    """
    again = oslo_db_api.wrap_db_retry(
        retry_interval=0.02, max_retry_interval=1, jitter=True, exception_checker=_lost_to_a_lock
    )(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return (again if _thread.transaction is None else function)(*args, **kwargs)

    return call


def joined() -> contextlib.AbstractContextManager[Any]:
    """Return this thread's transaction as it is, or a new one."""
    return contextlib.nullcontext() if in_transaction() else transaction()


def in_transaction() -> bool:
    """Tell whether this thread is inside :func:`transaction`."""
    return _thread.transaction is not None


def after_commit(tell: Callable[[], None]) -> None:
    """Call ``tell`` once what was written is there to stay: now, outside a transaction."""
    if _thread.transaction is None:
        tell()
    else:
        _thread.transaction.after_commit.append(tell)


def after_rollback(undo: Callable[[], None]) -> None:
    """Call ``undo`` if the transaction around this is rolled back; outside one, never."""
    if _thread.transaction is not None:
        _thread.transaction.after_rollback.append(undo)
