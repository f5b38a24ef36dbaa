# SPDX-License-Identifier: Apache-2.0
"""Statements, transactions, and what waits for their end."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import budget, engine, errors, levels, statements
from watcher_objects.db.levels import Level, Result

R = TypeVar("R")


def execute(
    statement: sa.Executable,
    rows: Sequence[Mapping[str, Any]] = (),
    although_failed: bool = False,
) -> Result:
    """Run one statement, in this thread's transaction if there is one.

    :param rows: the values of an INSERT
    :param although_failed: also in a transaction in which a statement has failed
    """
    current = levels.current()
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
    current = levels.current()
    if current is None:
        return Result(*statements.run(statement, values))
    return current.run(lambda on: Result(*statements.run_on(on, statement, values)))


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """Group writes: all of them happen, or none does and the objects are as before.

    A transaction inside another is a savepoint of it. Each thread has its own. An error of
    the database ends the transaction that it happened in, also if it is caught inside.

    :raises OutcomeUnknown: COMMIT was not answered
    """
    parent = levels.current()
    if parent is not None:
        parent.check()
    with contextlib.ExitStack() as held:
        current = _begun(held, parent)
        try:
            levels.enter(current)
            yield
            current.commit()
        except BaseException:
            current.rollback()
            raise
        finally:
            levels.current()
    if parent is None:
        tell(current.after_commit)
    else:
        parent.after_commit += current.after_commit
        parent.after_rollback += current.after_rollback


def whole(work: Callable[[], R]) -> R:
    """Run something in a transaction, and return what it does.

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


def tell(tellers: Collection[Callable[[], None]]) -> None:
    """Tell what has waited for a commit; what is done on hearing it has time of its own."""
    if tellers:
        with budget.anew():
            for teller in tellers:
                teller()


def _begun(held: contextlib.ExitStack, parent: Level | None) -> Level:
    """Begin a transaction, and hold its connection until it ends.

    :raises DatabaseUnavailable: it could not be begun in the time that a call may take
    """

    def begin() -> Level:
        with contextlib.ExitStack() as opened:
            begun = Level(opened.enter_context(connected()), parent)
            try:
                begun.begin()
            except BaseException as error:
                begun.rollback()
                if isinstance(error, exception.DatabaseUnavailable):
                    error.nothing_happened()
                raise
            held.push(opened.pop_all())
            return begun

    if parent or budget.thread.ends is not None:
        # Who is around this tries again.
        return begin()
    with budget.limited():
        try:
            return begin()
        except exception.DatabaseUnavailable as error:
            return budget.repeat(error, begin, lambda last: getattr(last, "may_retry", False))


@contextlib.contextmanager
def connected() -> Iterator[sa.Connection]:
    """Lend the connection of this thread's transaction, or one of the pool's in autocommit."""
    current = levels.current()
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
    return levels.current() is not None


def after_commit(tell: Callable[[], None]) -> None:
    """Call ``tell`` once what was written is there to stay: now, outside a transaction."""
    current = levels.current()
    if current is None:
        tell()
    else:
        current.after_commit.append(tell)


def after_rollback(undo: Callable[[], None]) -> None:
    """Call ``undo`` if the transaction around this is rolled back; outside one, never."""
    current = levels.current()
    if current is not None:
        current.after_rollback.append(undo)
