# SPDX-License-Identifier: Apache-2.0
"""What is patched in part or too late, and calls from native threads, are rejected by name."""

import subprocess
import sys

import pytest

#: Of each library: what to import, how to patch a part and all, and a call in a native thread.
LIBRARIES = {
    "eventlet": (
        "eventlet, eventlet.tpool",
        "eventlet.monkey_patch(select=True)",
        "eventlet.monkey_patch()",
        "eventlet.tpool.execute",
    ),
    "gevent": (
        "gevent, gevent.monkey",
        "gevent.monkey.patch_select()",
        "gevent.monkey.patch_all()",
        "gevent.get_hub().threadpool.apply",
    ),
}
PROGRAM = """
import {}
from oslo_context.context import RequestContext
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration

def configure():
    db.configure("sqlite://")
    migration.upgrade()

def read():
    return Goal.list(RequestContext())

def attempt(call):
    try:
        print(call())
    except exception.DatabaseError as error:
        print(error)

configure()
attempt(read)
{}
attempt(configure)
{}
attempt(read)
configure()
attempt(read)
attempt(lambda: {}(read))
"""
EXPECTED = """\
[]
Database error: {0} has not patched socket, threading, time; patch all or nothing
Database error: {0} has patched this process since db.configure(); call it again
[]
Database error: with {0}, calls are made in the native thread of db.configure()
"""


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_kind_of_misuse_is_rejected(library):
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(*LIBRARIES[library])],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == EXPECTED.format(library), done.stderr
