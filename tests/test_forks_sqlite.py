# SPDX-License-Identifier: Apache-2.0
"""Files of SQLite across forks: nothing is lost, and no child waits for a lock of nobody."""

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress

import pytest
import sqlalchemy as sa
from oslo_db.exception import DBError

from tests import factory, locks
from tests.processes import Signal, ended, forked
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration, transactions
from watcher_objects.db.backend import forks
from watcher_objects.db.backend.dialects.sqlite import SQLite
from watcher_objects.testing import database as databases

# Of eventlet, and of Python where other threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

SLOW = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
    "SELECT max(i) FROM n"
)


@pytest.fixture(scope="module")
def new_database(tmp_path_factory):
    """Returns a new file with our schema each time."""
    with databases.databases("sqlite", tmp_path_factory.mktemp("forks"), "forks") as new_database:
        yield new_database


@pytest.fixture
def path(new_database):
    """The path of a configured file with our schema."""
    with new_database() as url:
        yield sa.make_url(url).database


def stored(context, name="child", **given):
    return factory.stored(Goal, context, name=name, **given)


def found(path):
    """Return the names in a sound file, as a program finds them that has no part in it."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return {name for (name,) in connection.execute("SELECT name FROM goals")}


def opened(path):
    """Return which files of a database this process has open."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        if os.path.exists(f"/proc/self/fd/{number}"):
            links.append(os.readlink(f"/proc/self/fd/{number}"))
    return {link.removeprefix(path) for link in links if link.startswith(path)}


def refused(context):
    """Check that a child gets an error at once if it can't use SQLite."""
    begun = time.monotonic()
    with pytest.raises(exception.DatabaseError, match="so this process can't use SQLite"):
        stored(context)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("is_disposed", [True, False])
def test_writes_of_a_child_outlive_its_parent(path, context, is_disposed):
    gone, done = Signal(), Signal()

    def write_twice():
        stored(context, "child-1")
        done.send()
        gone.wait()
        stored(context, "child-2")
        done.send()

    def fork():
        stored(context, "parent")
        forked(write_twice)
        done.wait()
        if is_disposed:
            db.dispose()

    db.get_engine().dispose()
    assert ended(forked(fork)) == 0
    assert found(path) == {"parent", "child-1"}
    gone.send()
    done.wait()
    assert found(path) == {"parent", "child-1", "child-2"}


@pytest.mark.parametrize("is_spilled", [False, True])
def test_large_transaction_of_a_thread_is_committed_whole(path, context, is_spilled):
    begun, go_on = threading.Event(), threading.Event()

    def write():
        with db.transaction(), transactions.connected() as connection:
            # As an upgrade does.
            connection.exec_driver_sql(f"PRAGMA cache_spill = {is_spilled}")
            for number in range(40):
                # Together more than the cache of a connection.
                stored(context, f"{number}", efficacy_specification=[{"text": "x" * 100_000}])
            begun.set()
            assert go_on.wait(30)
            assert len(Goal.list(context)) == 40

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(30)
    child = forked(lambda: refused(context) if is_spilled else stored(context))
    go_on.set()
    thread.join()
    assert ended(child) == 0
    assert found(path) == {*map(str, range(40))} | (set() if is_spilled else {"child"})


def test_child_has_no_file_of_its_parents_open(path, context):
    def look():
        assert opened(path) == set()

    stored(context)
    with db.transaction(), db.get_engine().connect() as connection:
        rows = connection.exec_driver_sql("SELECT 1 UNION SELECT 2 UNION SELECT id FROM goals")
        stored(context, "open")
        assert ended(forked(look)) == 0
        assert rows.fetchone() == (1,)
        assert opened(path) == {"", "-wal", "-shm"}


def test_statement_whose_rows_are_not_read_yet_is_its_parents_to_commit(path, context):
    goal = stored(context, display_name="old")
    with closing(db.get_engine().raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("UPDATE goals SET display_name = 'new' RETURNING id")
        assert ended(forked(lambda: None)) == 0
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT display_name FROM goals").fetchall() == [("old",)]
        assert cursor.fetchall() == [(goal.id,)]
    assert Goal.get(context, goal.id).display_name == "new"
    assert found(path) == {"child"}


def test_closed_connection_is_not_an_obstacle(path, context):
    with db.get_engine().connect() as connection:
        kept = connection.connection.driver_connection
    db.get_engine().dispose()
    with pytest.raises(sqlite3.ProgrammingError):
        kept.cursor()
    assert ended(forked(lambda: stored(context))) == 0
    assert found(path) == {"child"}


def test_child_uses_a_file_that_was_configured_before(path, context):
    goal = stored(context, "parent")

    def write():
        db.configure(f"sqlite:///{path}")
        stored(context)

    with locks.held(goal, context, display_name="changed"):
        db.configure(f"sqlite:///{path}.other")
        migration.upgrade()
        child = forked(write)
    assert ended(child) == 0
    assert found(path) == {"child", "parent"}


@contextmanager
def slow_statement(steps):
    """Run a statement in another thread that has begun; the value is its connection."""
    running, lent = threading.Event(), []

    def run():
        with db.get_engine().connect() as connection, suppress(sa.exc.DBAPIError, DBError):
            lent.append(connection.connection.driver_connection)
            lent[0].set_progress_handler(running.set, 1000)
            connection.exec_driver_sql(SLOW.format(steps)).scalar()

    thread = threading.Thread(target=run)
    thread.start()
    assert running.wait(30)
    try:
        yield lent
    finally:
        thread.join()


def test_fork_waits_for_a_statement(path, context):
    with slow_statement(1_000_000):
        child = forked(lambda: stored(context))
    assert ended(child) == 0
    assert found(path) == {"child"}


def test_fork_does_not_wait_for_a_lock(path, context):
    goal = stored(context, "parent")
    thread = threading.Thread(target=lambda: stored(context, "waiting"))
    with locks.held(goal, context, display_name="changed"):
        thread.start()
        time.sleep(0.1)
        child = forked(lambda: stored(context))
    thread.join()
    assert ended(child) == 0
    assert found(path) == {"child", "parent", "waiting"}


def test_child_forked_in_a_long_statement_is_refused(path, context, monkeypatch):
    with slow_statement(10**12) as lent:
        monkeypatch.setattr(forks, "PATIENCE", 0.1)
        child = forked(lambda: ended(forked(lambda: refused(context))) == 0 and refused(context))
        lent[0].interrupt()
        monkeypatch.undo()
    assert ended(child) == 0
    assert ended(forked(lambda: stored(context))) == 0
    assert found(path) == {"child"}


def test_child_that_comes_too_late_is_refused(path, context, monkeypatch):
    goal = stored(context, "parent")
    with locks.held(goal, context, display_name="changed"):
        monkeypatch.setattr(forks, "PATIENCE", 0)
        child = forked(lambda: refused(context))
    assert ended(child) == 0
    assert Goal.get(context, goal.id).display_name == "changed"


def test_child_leaves_the_journal_of_its_parent(path, context, monkeypatch):
    without_wal = [text.replace("WAL", "DELETE") for text in SQLite.session_statements]
    monkeypatch.setattr(SQLite, "session_statements", without_wal)
    db.get_engine().dispose()
    goal = stored(context, "parent")
    with locks.held(goal, context, display_name="changed"):
        journal = os.stat(f"{path}-journal").st_ino
        assert ended(forked(lambda: refused(context))) == 0
        assert os.stat(f"{path}-journal").st_ino == journal
    assert ended(forked(lambda: stored(context))) == 0
    assert found(path) == {"child", "parent"}
