# SPDX-License-Identifier: Apache-2.0
"""The deadline of a call, and retries within it."""

import contextlib
import functools
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any, TypeVar

import tenacity

from watcher_objects.db.backend import execution
from watcher_objects.exception import DatabaseUnavailable, InvalidParameter

LOG = logging.getLogger(__name__)

R = TypeVar("R")

#: Seconds for which a call is retried by default.
SECONDS = 30.0
#: The limits of that; drivers take neither less nor weeks.
LEAST, MOST = 2, 24 * 60 * 60
# Seconds by which the last try begins before the end: PostgreSQL's driver connects for no less
# than two.
_LAST = 1
# Seconds that an answer may come late: the server, which knows why, is to end a wait first.
_GRACE = 0.5
_pause = tenacity.wait_random_exponential(multiplier=0.02, max=1)


# When the current call has to end, and its function: where an interrupt kept a call from taking
# this back, that function is not running any more.
_call: ContextVar[tuple[float, FrameType] | None] = ContextVar("call", default=None)


#: Returns seconds of a clock that a parent and its children share, and that no test freezes.
now: Callable[[], float] = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)


def checked(retry_for: Any) -> float:
    """Return the seconds for which calls are retried; 0 if they are not.

    :raises InvalidParameter: the argument is out of range
    """
    # NaN is not within anything.
    is_number = isinstance(retry_for, int | float) and not isinstance(retry_for, bool)
    if not is_number or not (retry_for == 0 or LEAST <= retry_for <= MOST):
        allowed = f"0, or a number of seconds from {LEAST} to {MOST}"
        raise InvalidParameter(parameter="retry_for", parameter_type=allowed)
    return float(retry_for)


def _deadline() -> float | None:
    """Return the deadline of the current call, by :func:`now`; None outside of calls."""
    found = _call.get()
    return found[0] if found is not None and execution.is_running(found[1]) else None


def in_call() -> bool:
    """Return whether a call is running, whose deadline also applies to nested calls."""
    found = _call.get()
    return found is not None and execution.is_running(found[1])


def begin(function: FrameType, seconds: float) -> bool:
    """Set the deadline of a call, until :func:`end`; return False inside another call."""
    found = _call.get()
    if found is not None and execution.is_running(found[1]):
        return False
    _call.set((now() + seconds, function))
    return True


def end() -> None:
    """Note that the call has ended."""
    _call.set(None)


def remaining() -> float | None:
    """Return the seconds that the current call may wait for an answer; None: no limit."""
    deadline = _deadline()
    if deadline is None or deadline == math.inf:
        return None
    return max(deadline - now(), 0) + _GRACE


def shorter(own: Any, remaining: float | None) -> float | None:
    """Return the lesser of the remaining seconds and a limit of the caller's own.

    :param own: a number, or its text; None, 0 and less are no limit
    """
    limit = float(own or 0)
    if not limit > 0:
        return remaining
    return limit if remaining is None else min(limit, remaining)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Set the deadline of the block, unless a call is running.

    :param seconds: what the call may take
    """
    # The function with this block in it; between them is contextlib's.
    if not begin(sys._getframe(2), seconds):
        yield
        return
    try:
        yield
    finally:
        end()


@contextlib.contextmanager
def no_deadline() -> Iterator[None]:
    """Give the calls in the block deadlines of their own, also within another call."""
    outer = _call.get()
    _call.set(None)
    try:
        yield
    finally:
        _call.set(outer)


def _log(state: tenacity.RetryCallState) -> None:
    if state.outcome:
        LOG.info("Trying again in %.2f s: %s", state.upcoming_sleep, state.outcome.exception())


def retry_until(
    failed: DatabaseUnavailable,
    attempt: Callable[[], R],
    may_go_on: Callable[[BaseException], bool],
) -> R:
    """Retry with pauses until the attempt succeeds, must not be repeated, or the deadline is near.

    :raises Exception: the last error
    """
    last = (_deadline() or 0) - _LAST
    seconds = last - now()
    failures = [failed]

    def run() -> R:
        if failures:
            raise failures.pop()
        return attempt()

    tries = tenacity.Retrying(
        sleep=time.sleep,
        wait=lambda state: min(_pause(state), max(last - now(), 0)),
        # The pauses count, too, should the clock stand still.
        stop=lambda state: math.isinf(last) or now() >= last or state.idle_for >= seconds,
        retry=tenacity.retry_if_exception(may_go_on),
        before_sleep=_log,
        reraise=True,
    )
    return tries(run)
