# SPDX-License-Identifier: Apache-2.0
"""The levels of a thread's transaction: the outermost, and savepoints in it."""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from watcher_objects import exception
from watcher_objects.db import budget, errors

_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN", "mysql": "START TRANSACTION"}


class Result(NamedTuple):
    """The rows that a statement returned, and how many it matched."""

    rows: Sequence[Any]
    matched: int


class _Thread(threading.local):
    transaction: "Level | None" = None


_thread = _Thread()


class Level:
    """One level of a transaction: the outermost, or a savepoint in another."""

    def __init__(self, connection: sa.Connection, parent: "Level | None") -> None:
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
            if isinstance(error, exception.DatabaseUnavailable):
                error.nothing_happened()
            raise

    def _say(self, outermost: str, nested: str) -> None:
        text = f"{nested} level_{self.depth}" if self.depth else outermost
        with budget.limited(), errors.translated(self.connection.engine):
            self.connection.exec_driver_sql(text)

    def begin(self) -> None:
        """Begin it in the database."""
        self._say(_BEGIN[self.connection.dialect.name], "SAVEPOINT")

    def commit(self) -> None:
        """Commit it, or let it be a part of the one around it.

        :raises OutcomeUnknown: COMMIT was not answered
        """
        self.check()
        try:
            self._say("COMMIT", "RELEASE SAVEPOINT")
        except exception.DatabaseUnavailable as error:
            if self.parent:
                error.nothing_happened()
            elif error.is_lost:
                reason = error.kwargs["reason"]
                unknown = exception.OutcomeUnknown(reason=reason, is_lost=True)
                unknown.untold = self.after_commit
                raise unknown from error
            raise
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


def current() -> Level | None:
    """Return the innermost transaction of this thread that has not ended."""
    found = _thread.transaction
    while found is not None and (found.is_over or found.connection.closed):
        found = found.parent
    _thread.transaction = found
    return found


def enter(level: Level) -> None:
    """Let a level be this thread's innermost."""
    _thread.transaction = level
