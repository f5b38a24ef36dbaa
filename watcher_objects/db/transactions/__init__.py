# SPDX-License-Identifier: Apache-2.0
"""Statements, transactions, and callbacks after their commit."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import cursors, statements
from watcher_objects.db.backend import budget, database, errors, sessions
from watcher_objects.db.transactions import levels
from watcher_objects.db.transactions.levels import Result, Transaction

R = TypeVar("R")


def execute(
    statement: sa.Executable,
    rows: Sequence[Mapping[str, Any]] = (),
    although_failed: bool = False,
) -> Result:
    """Run one statement, in the current transaction if there is one.

    :param rows: the values of an INSERT
    :param although_failed: also in a transaction in which a statement has failed
    """
    current = levels.current()
    if current is None:
        levels.refuse_deadlock(statement.is_select)
        with database.connect() as connection:
            return _run(connection, statement, rows)
    return current.run(lambda on: _run(on, statement, rows), although_failed)


def _run(
    connection: sa.Connection, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]
) -> Result:
    with errors.translated(connection.engine), sessions.used(connection):
        result = connection.execute(statement, rows or None)
        return Result(result.fetchall() if result.returns_rows else [], result.rowcount)


def run(statement: statements.Statement, values: Mapping[str, Any]) -> Result:
    """Run a compiled statement, in the current transaction if there is one."""
    current = levels.current()
    if current is not None:
        return current.run(lambda on: Result(*cursors.run_on(on, statement, values)))
    levels.refuse_deadlock(statement.reads_only)
    if statement.is_transaction and cursors.is_listened_to(database.get_engine()):
        # A listener is to see each of its statements.
        with transaction():
            return run(statement, values)
    return Result(*cursors.run(statement, values))


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """Group writes: all of them take effect, or none does and the objects are restored.

    A transaction inside another is a savepoint of it. It belongs to the thread, green thread or
    asyncio task that began it: others that are started inside it are outside of it. An error of
    the database ends the transaction that it happened in, also if it is caught inside.

    :raises OutcomeUnknown: COMMIT was not answered
    """
    yield from within(Transaction(levels.parent()))


def within(current: Transaction) -> Iterator[None]:
    """Begin a transaction, yield, and commit it; roll back if an error is raised inside."""
    try:
        levels.enter(current)
        _begin(current)
        yield
        current.commit()
    except BaseException:
        current.rollback()
        raise
    finally:
        current.close()
        levels.leave_ended()
    parent = current.parent
    if parent is None:
        run_callbacks(current.after_commit)
    else:
        parent.after_commit += current.after_commit
        parent.after_rollback += current.after_rollback


def atomic(work: Callable[[], R]) -> R:
    """Run a function in a transaction, and return its result.

    :raises OutcomeUnknown: COMMIT was not answered; the error's ``answer`` is what was to be
        returned
    """
    answer = None
    try:
        with transaction():
            answer = work()
    except exception.OutcomeUnknown as error:
        error.answer = answer
        raise
    return answer


def run_callbacks(callbacks: Collection[Callable[[], None]]) -> None:
    """Run the callbacks of a commit, each within a deadline of its own."""
    if callbacks:
        with budget.no_deadline():
            for callback in callbacks:
                callback()


def _begin(level: Transaction) -> None:
    """Begin a transaction, retrying within the deadline of a call.

    :raises DatabaseUnavailable: it could not be begun
    """
    if level.parent is None:
        levels.refuse_deadlock()
    if level.parent or budget.in_call():
        # The call around this one retries.
        level.begin()
        return
    with budget.deadline(level.database.timeout):
        try:
            level.begin()
        except exception.DatabaseUnavailable as error:
            budget.retry_until(error, level.begin, lambda last: getattr(last, "may_retry", False))


@contextlib.contextmanager
def connected() -> Iterator[sa.Connection]:
    """Yield the connection of the current transaction, or one of the pool's in autocommit."""
    current = levels.current()
    if current is not None:
        yield current.connection
    else:
        with database.connect() as connection:
            yield connection


def ensure_transaction() -> contextlib.AbstractContextManager[None]:
    """Join the current transaction as it is, or begin one."""
    return contextlib.nullcontext() if in_transaction() else transaction()


def in_transaction() -> bool:
    """Return whether this thread, green thread or task is inside :func:`transaction`."""
    return levels.current() is not None
