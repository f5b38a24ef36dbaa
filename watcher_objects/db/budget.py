# SPDX-License-Identifier: Apache-2.0
"""The time that a call may take, and trying again within it."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import tenacity

from watcher_objects.exception import DatabaseUnavailable

R = TypeVar("R")

#: Seconds for which a call is tried again where nothing else is said.
SECONDS = 30.0
#: Seconds that no clock and no driver takes for too many.
LONGEST = 10**9
# Seconds by which the last try begins before the end: PostgreSQL's driver connects for no less
# than two.
_LAST = 1
# Seconds that an answer may come late: the server, which knows why, is to end a wait first.
_GRACE = 0.5
_pause = tenacity.wait_random_exponential(multiplier=0.02, max=1)


class _Thread(threading.local):
    #: When the call that this thread is in is to end; None: it is in none.
    ends: float | None = None


thread = _Thread()
_seconds = SECONDS


def allow(seconds: float) -> None:
    """Say how long a call may take; 0 lets it take what it does, and tries nothing again."""
    global _seconds  # noqa: PLW0603 - the library's one database has it
    _seconds = seconds or math.inf


def end() -> float:
    """Return when a call that begins now is to end."""
    return time.monotonic() + _seconds


def remaining() -> float | None:
    """Return how many seconds this thread may wait for an answer; None: any number."""
    if thread.ends is None or thread.ends == math.inf:
        return None
    return max(thread.ends - time.monotonic(), 0) + _GRACE


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Let what runs inside be one call, if it is in none."""
    if thread.ends is not None:
        yield
        return
    thread.ends = end()
    try:
        yield
    finally:
        thread.ends = None


@contextlib.contextmanager
def anew() -> Iterator[None]:
    """Let calls inside have time of their own, whatever this thread is in."""
    outer, thread.ends = thread.ends, None
    try:
        yield
    finally:
        thread.ends = outer


def repeat(
    failed: DatabaseUnavailable,
    attempt: Callable[[], R],
    may_go_on: Callable[[BaseException], bool],
) -> R:
    """Try again what has failed once, with pauses, until it passes, must not, or time is up.

    :raises Exception: the last error
    """
    last = (thread.ends or 0) - _LAST
    failures = [failed]

    def run() -> R:
        if failures:
            raise failures.pop()
        return attempt()

    tries = tenacity.Retrying(
        sleep=time.sleep,
        wait=lambda state: min(_pause(state), max(last - time.monotonic(), 0)),
        stop=lambda state: math.isinf(last) or time.monotonic() >= last,
        retry=tenacity.retry_if_exception(may_go_on),
        reraise=True,
    )
    return tries(run)
