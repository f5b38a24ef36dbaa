# SPDX-License-Identifier: Apache-2.0
"""The identity of the running thread, green thread of eventlet or gevent, or asyncio task.

A context variable alone does not say that: a task, and a function in :func:`asyncio.to_thread`,
starts with a copy of the context of its creator.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Hashable
from types import FrameType


def _identify() -> Callable[[], Hashable]:
    try:
        # One for each green thread, and for each thread outside of them.
        from greenlet import getcurrent
    except ImportError:
        # Without greenlet installed there are no green threads.
        return threading.get_ident
    return getcurrent


#: Returns an identity of the running thread or green thread.
thread = _identify()

#: A thread or green thread, and the task that runs in it, if one does.
Execution = tuple[Hashable, Hashable]


def current() -> Execution:
    """Return the identity of the running thread, green thread or task."""
    running = thread()
    try:
        task = asyncio.current_task()
    except RuntimeError:
        # No event loop runs here.
        return running, None
    return running, None if _is_green(running) else task


def _is_green(running: Hashable) -> bool:
    """Return whether it is eventlet's loop that runs: it resumes green threads in any task."""
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return False
    return running is not sys.modules["eventlet.hubs"].get_hub().greenlet


def is_running(frame: FrameType) -> bool:
    """Return whether a function that has begun is on the call stack: not ended, nor suspended."""
    running: FrameType | None = sys._getframe(1)
    while running is not None and running is not frame:
        running = running.f_back
    return running is not None
