# SPDX-License-Identifier: Apache-2.0
"""Locks that others hold."""

import threading
from contextlib import contextmanager

from watcher_objects import db


@contextmanager
def held(obj, context, **changes):
    """Write an object's row in another thread's transaction, which ends after the block."""
    holds, done = threading.Event(), threading.Event()

    def hold():
        with db.transaction():
            mine = type(obj).get(context, obj.id)
            for name, value in changes.items():
                mine[name] = value
            mine.save()
            holds.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holds.wait(20)
        yield
    finally:
        done.set()
        thread.join(20)
