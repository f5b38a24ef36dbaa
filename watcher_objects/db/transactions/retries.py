# SPDX-License-Identifier: Apache-2.0
"""Calls that are retried: at once where nothing has happened, else after a check.

A connection that dies before the answer leaves open whether a write took effect. The row shows
that, mostly: by the time that was written with it, which no other write has to the microsecond.
"""

import enum
import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import budget, database
from watcher_objects.db.transactions import histories

P = ParamSpec("P")
R = TypeVar("R")


class Outcome(enum.Enum):
    """What a check finds of a lost write, other than that it took effect."""

    #: It did not.
    NOT_APPLIED = enum.auto()
    #: Others have written since, and may have written over it.
    SUPERSEDED = enum.auto()


#: Takes the error and the arguments of the call; returns what the call would have, or an outcome.
OutcomeCheck = Callable[..., Any]


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Retry a call that may as well happen twice until it is answered.

    It is retried for the time given to :func:`watcher_objects.db.configure`. Inside a
    transaction it is not: the whole of that is lost, and its owner's to repeat.
    """
    return _retried(function, None)


def retry_write(verify: OutcomeCheck) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry a write as :func:`retried` does, and first verify that it did not take effect."""
    return lambda function: _retried(function, verify)


def transactional(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in a transaction, and run it again if the transaction was lost.

    Its objects are restored before it runs again; its other side effects must be idempotent.
    Inside another transaction it is a savepoint, and is not retried.

    :raises OutcomeUnknown: COMMIT was not answered
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return transactions.atomic(lambda: function(*args, **kwargs))

    return _retried(run, None)


def _retried(function: Callable[P, R], verify: OutcomeCheck | None) -> Callable[P, R]:
    inner = function if verify else _harmless(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not budget.begin(sys._getframe(), database.timeout()):
            return inner(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except exception.DatabaseUnavailable as error:
            if transactions.in_transaction():
                raise
            return _RetriedCall(functools.partial(function, *args, **kwargs), verify).after(error)
        finally:
            budget.end()

    return call


def _harmless(function: Callable[P, R]) -> Callable[P, R]:
    """Mark the errors of a call inside another one: they leave no outcome open."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except exception.DatabaseUnavailable as error:
            error.nothing_happened()
            raise

    return call


class _RetriedCall:
    """A call that has failed once, and what is known of it."""

    def __init__(self, again: functools.partial[Any], verify: OutcomeCheck | None) -> None:
        self.again, self.verify = again, verify
        #: The error that left open whether the write took effect.
        self.open: exception.DatabaseUnavailable | None = None

    def after(self, error: exception.DatabaseUnavailable) -> Any:
        """Retry, and raise the last error, or OutcomeUnknown if the outcome is still open."""
        self._note(error)
        try:
            return budget.retry_until(error, self._attempt, self._may_go_on)
        except exception.DatabaseUnavailable as last:
            if self.open is None or isinstance(last, exception.OutcomeUnknown):
                raise
            raise exception.OutcomeUnknown(reason=last.kwargs["reason"]) from last

    def _attempt(self) -> Any:
        if self.open and (found := self._outcome()) is not Outcome.NOT_APPLIED:
            return found
        try:
            done = self.again()
        except exception.DatabaseUnavailable as error:
            self._note(error)
            raise
        except exception.WatcherException:
            # What was sent first may have come later than the check.
            if self.open is None or (found := self._outcome()) is Outcome.NOT_APPLIED:
                raise
            return found
        if done is None and self.open and (found := self._outcome()) is not Outcome.NOT_APPLIED:
            return found
        return done

    def _note(self, error: exception.DatabaseUnavailable) -> None:
        if error.is_history_ahead:
            histories.release()
        if self.verify and error.is_lost:
            self.open = error

    def _outcome(self) -> Any:
        verify: Any = self.verify
        found = verify(self.open, *self.again.args, **self.again.keywords)
        if found is Outcome.SUPERSEDED:
            raise exception.OutcomeUnknown(reason="others have written since") from self.open
        return found

    def _may_go_on(self, error: BaseException) -> bool:
        if isinstance(error, exception.OutcomeUnknown) and not (self.verify and error.is_lost):
            return False
        return isinstance(error, exception.DatabaseUnavailable) and (
            error.may_retry or error.is_lost
        )
