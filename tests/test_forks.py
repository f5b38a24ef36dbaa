# SPDX-License-Identifier: Apache-2.0
"""Child processes write like any other process, and leave alone what their parent does."""

import contextlib
import itertools
import os
import signal
import threading
import time
import traceback

import pytest

from tests import factory, locks
from tests.processes import Signal, ended, forked
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration

# Of eventlet, and of Python where other threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def go_on():
    made = Signal()
    yield made
    made.close()


@pytest.fixture
def done():
    made = Signal()
    yield made
    made.close()


def stored(context, name="child"):
    return factory.stored(Goal, context, name=name, display_name=name)


def names(context):
    return sorted(goal.name for goal in Goal.list(context, limit=1000))


@contextlib.contextmanager
def threads(number, work):
    """Have threads repeat something, which must not fail."""
    stop, failures = threading.Event(), []

    def run(thread):
        try:
            for count in itertools.count():
                work(f"thread-{thread}-{count}")
                if stop.wait(0.01):
                    break
        except Exception as error:
            failures.append(error)

    started = [threading.Thread(target=run, args=(thread,)) for thread in range(number)]
    for thread in started:
        thread.start()
    yield
    stop.set()
    for thread in started:
        thread.join()
    assert failures == []


def test_children_write_while_threads_write(database, context):
    def write(name):
        stored(context, f"{name}-alone")
        with db.transaction():
            stored(context, f"{name}-first")
            stored(context, f"{name}-second")

    with threads(4, write):
        children = [forked(lambda n=n: write(f"child-{n}")) for n in range(8)]
        assert [ended(child) for child in children] == [0] * 8
    found = names(context)
    assert len([name for name in found if name.startswith("child")]) == 3 * 8
    assert len(found) % 3 == 0


def test_child_of_an_idle_process_that_disposed_of_its_connections_writes(url, database, context):
    stored(context, "parent")
    db.dispose()
    db.configure(url)
    assert ended(forked(lambda: stored(context))) == 0
    assert names(context) == ["child", "parent"]


def test_child_forked_by_a_thread_writes(database, context):
    codes = []
    stored(context, "parent")
    thread = threading.Thread(target=lambda: codes.append(ended(forked(lambda: stored(context)))))
    thread.start()
    thread.join()
    assert codes == [0]
    assert names(context) == ["child", "parent"]


def test_daemon_that_forks_twice_writes(database, context, go_on, done):
    stored(context, "parent")

    def daemon():
        go_on.wait()
        stored(context, "daemon")
        done.send()

    assert ended(forked(lambda: forked(daemon))) == 0
    go_on.send()
    done.wait()
    assert names(context) == ["daemon", "parent"]


def test_child_forked_in_a_transaction_has_its_own(database, context, go_on):
    def write():
        go_on.wait()
        stored(context, "child-1")
        with db.transaction():
            stored(context, "child-2")

    with db.transaction():
        stored(context, "parent-1")
        child = forked(write)
        stored(context, "parent-2")
    go_on.send()
    assert ended(child) == 0
    assert names(context) == ["child-1", "child-2", "parent-1", "parent-2"]


def leave(context, go_on):
    """Fork in a transaction that both processes leave, and return the child's id."""
    goal, child = factory.built(Goal, context, name="parent"), None
    with contextlib.suppress(exception.DatabaseError), db.transaction():
        goal.create()
        child = os.fork()
    if child == 0:
        go_on.wait()
        stored(context, f"child of {goal.obj_attr_is_set('id')}")
    return child


def test_child_that_leaves_its_parents_transaction_commits_none_of_it(database, context, go_on):
    child = None
    try:
        child = leave(context, go_on)
    except BaseException:
        traceback.print_exc()
    if not child:
        os._exit(0 if child == 0 else 1)
    go_on.send()
    assert ended(child) == 0
    assert names(context) == ["child of False", "parent"]


def test_locks_of_a_killed_parent_end_while_its_child_lives(database, context, go_on):
    goal = stored(context, "parent")

    def write_and_end():
        with db.transaction():
            goal.display_name = "lost"
            goal.save()
            forked(go_on.wait)
            os.kill(os.getpid(), signal.SIGKILL)

    assert ended(forked(write_and_end)) == -signal.SIGKILL
    begun = time.monotonic()
    goal.display_name = "kept"
    goal.save()
    took = time.monotonic() - begun
    go_on.send()
    assert took < 15
    assert Goal.get(context, goal.id).display_name == "kept"


def test_each_process_has_its_copy_of_a_database_in_memory(context):
    db.configure("sqlite://")
    migration.upgrade()
    goal = stored(context, "parent")

    def write():
        assert names(context) == ["parent"]
        assert Goal.get(context, goal.id).display_name == "parent"
        stored(context)
        assert names(context) == ["child", "parent"]

    with locks.held(goal, context, display_name="changed"):
        assert ended(forked(write)) == 0
    with db.transaction():
        stored(context, "open")
        assert ended(forked(lambda: stored(context, "open"))) == 0
    assert names(context) == ["open", "parent"]
    db.dispose()
