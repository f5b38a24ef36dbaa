# SPDX-License-Identifier: Apache-2.0
"""The levels of a transaction: the outermost one, and savepoints.

A transaction belongs to the thread, green thread or asyncio task that began it. Those that are
started inside it are outside of it, although they inherit its context.
"""

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from watcher_objects import exception
from watcher_objects.db import cursors, statements
from watcher_objects.db.backend import budget, database, errors, execution, sessions


class Result(NamedTuple):
    """The rows that a statement returned, and how many it matched."""

    rows: Sequence[Any]
    matched: int


_innermost: ContextVar["Transaction | None"] = ContextVar("innermost", default=None)
# The open transactions that exclude all other writers.
_writing: set["Transaction"] = set()
_IS_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_PASSED = {
    *(__name__, "watcher_objects.db.transactions", "watcher_objects.db.requests"),
    *("watcher_objects.idempotency", "contextlib"),
}


class Transaction:
    """One level of a transaction: the outermost, or a savepoint in another."""

    def __init__(self, parent: "Transaction | None") -> None:
        self.connection: Any = parent and parent.connection
        self.parent = parent
        self.database: database.Database = parent.database if parent else database.current()
        # The one that was open before, which may be of another database.
        self.enclosing = leave_ended()
        self.owner = execution.current()
        self.generator = _generator()
        self.depth: int = parent.depth + 1 if parent else 0
        self.process = os.getpid()
        self.failure: BaseException | None = None
        self.is_over = False
        self.after_commit: list[Callable[[], None]] = []
        self.after_rollback: list[Callable[[], None]] = []

    def check(self) -> None:
        """Check that the transaction can continue."""
        reason = None
        if self.process != os.getpid():
            reason = "a child process can't go on with its parent's transaction"
        elif self.owner != execution.current() or _innermost_of(self.database) is not self:
            reason = "a transaction ends in the thread or task that began it, inner before outer"
        elif self.generator is not None and not execution.is_running(self.generator):
            reason = (
                f"the generator {self.generator.f_code.co_name} is suspended in a transaction; "
                "use contextlib.contextmanager, or end the transaction before each yield"
            )
        elif self.failure is not None:
            # The databases differ in what is left after an error.
            reason = "a statement of this transaction has failed, so it can only be rolled back"
        if reason is not None:
            raise exception.DatabaseError(reason=reason) from self.failure

    def run(self, work: Callable[[sa.Connection], Result], anyway: bool = False) -> Result:
        """Run a statement in this transaction, which can't continue if the statement fails."""
        if not anyway:
            self.check()
        try:
            return work(self.connection)
        except exception.WatcherException as error:
            self.failure = error
            if isinstance(error, exception.DatabaseUnavailable):
                error.nothing_happened()
            raise

    def _say(self, outermost: str, nested: str) -> None:
        text = f"{nested} level_{self.depth}" if self.depth else outermost
        self.send(statements.Command(text))

    def send(self, statement: statements.Statement, **values: Any) -> Result:
        """Run a statement that begins or ends this transaction, within a deadline of its own."""
        with budget.deadline(self.database.timeout), errors.translated(self.connection.engine):
            return Result(*cursors.run_on(self.connection, statement, values))

    def begin(self) -> None:
        """Begin the transaction in the database.

        :raises DatabaseUnavailable: it could not be begun
        """
        try:
            if self.parent is None:
                self.connection = self.database.checkout()
            if self.parent is None and self.database.backend.has_single_writer:
                _writing.add(self)
            self._start()
        except exception.DatabaseUnavailable as error:
            self.close()
            error.nothing_happened()
            raise

    def _start(self) -> None:
        self._say(self.database.backend.begin, "SAVEPOINT")

    def _finish(self) -> None:
        self._say("COMMIT", "RELEASE SAVEPOINT")

    def commit(self) -> None:
        """Commit the transaction, or release the savepoint.

        :raises OutcomeUnknown: COMMIT was not answered
        """
        self.check()
        try:
            self._finish()
        except exception.DatabaseUnavailable as error:
            if self.parent:
                error.nothing_happened()
            elif error.is_lost:
                reason = error.kwargs["reason"]
                unknown = exception.OutcomeUnknown(reason=reason, is_lost=True)
                unknown.not_run = self.after_commit
                raise unknown from error
            raise
        self._end()

    def _end(self) -> None:
        self.is_over, self.generator = True, None

    def rollback(self) -> None:
        """Roll back, unless committed, and restore the objects."""
        if self.is_over:
            return
        self._end()
        try:
            if self.connection is None or self.process != os.getpid():
                pass
            elif self._is_interrupted():
                # An answer may still come, and would be taken for that to ROLLBACK.
                self._give_up(exception.DatabaseError(reason="a statement was interrupted"))
            else:
                self._say("ROLLBACK", "ROLLBACK TO SAVEPOINT")
        except BaseException as error:
            self._give_up(error)
            if not isinstance(error, exception.DatabaseError):
                raise
        finally:
            for undo in reversed(self.after_rollback):
                undo()

    def _is_interrupted(self) -> bool:
        is_gone = self.connection.closed or self.connection.invalidated
        return not is_gone and sessions.is_used(self.connection)

    def close(self) -> None:
        """Return the connection to the pool, which closes it if the transaction is still open."""
        _writing.discard(self)
        if self.parent is None and self.connection is not None:
            self.connection.close()

    def _give_up(self, error: BaseException) -> None:
        """Invalidate the connection, and with it the outer levels."""
        with contextlib.suppress(exc.SQLAlchemyError):
            self.connection.invalidate()
        outer = self.parent
        while outer is not None:
            outer.failure, outer = error, outer.parent


def current() -> Transaction | None:
    """Return the innermost transaction of the current database, in this thread or task."""
    if _innermost.get() is None:
        return None
    return leave_ended() and _innermost_of(database.find())


def leave_ended() -> Transaction | None:
    """Return the innermost transaction that has not ended, in this thread or task."""
    found = _innermost.get()
    if found is None or found.owner != execution.current():
        return None
    while found is not None and (found.is_over or _is_closed(found.connection)):
        found = found.enclosing
    _innermost.set(found)
    return found


def _innermost_of(wanted: database.Database | None) -> Transaction | None:
    found = _innermost.get()
    while found is not None and found.database is not wanted:
        found = found.enclosing
    return found


def _leave() -> None:
    # The transaction stays its parent's: what a child does is in none, or in one of its own.
    _innermost.set(None)
    _writing.clear()


os.register_at_fork(after_in_child=_leave)


def _is_closed(connection: sa.Connection | None) -> bool:
    return connection is not None and connection.closed


def parent() -> Transaction | None:
    """Return the transaction of which a new one would be a savepoint, if it can continue."""
    found = current()
    if found is not None:
        found.check()
    return found


def enter(level: Transaction) -> None:
    """Make a level the innermost one."""
    _innermost.set(level)


def refuse_deadlock(reads_only: bool = False) -> None:
    """Reject a call that would wait forever for another task of this thread, on SQLite.

    :param reads_only: it waits for no lock, but in memory for the only connection
    :raises DatabaseError: that task is in a transaction, and can't end it while this one waits
    """
    if not _writing:
        return
    now = database.current()
    if reads_only and now.backend.file(now.engine.url) is not None:
        return
    thread, task = execution.current()
    for level in _writing.copy():
        if level.database is now and level.owner[0] == thread and level.owner[1] is not task:
            reason = (
                "another task of this thread is in a transaction, which has SQLite for itself; "
                "run transactions in threads, for example with asyncio.to_thread"
            )
            raise exception.DatabaseError(reason=reason)


def _generator() -> FrameType | None:
    """Return the frame of the generator in whose body a transaction is being begun, or None.

    A generator that :mod:`contextlib` or pytest makes a context of is a part of its caller: it is
    suspended while the block runs that it is for.
    """
    frame = _caller(sys._getframe(1))
    while frame is not None and frame.f_code.co_flags & _IS_GENERATOR:
        if _module(frame.f_back) == "_pytest.fixtures":
            return None
        if _module(frame.f_back) != "contextlib":
            return frame
        frame = _caller(frame.f_back)
    return None


def _caller(frame: FrameType | None) -> FrameType | None:
    """Return the first frame from here that is neither ours nor contextlib's."""
    while _module(frame) in _PASSED:
        frame = frame and frame.f_back
    return frame


def _module(frame: FrameType | None) -> str | None:
    return frame.f_globals.get("__name__") if frame else None
