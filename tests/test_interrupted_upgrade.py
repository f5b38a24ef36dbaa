# SPDX-License-Identifier: Apache-2.0
"""Upgrades that are killed, that meet another upgrade, or others at work.

``WATCHER_OBJECTS_TEST_THOROUGH=1`` has them killed at each of their statements; that takes long.
"""

import itertools
import os
import signal
import threading
import time

import pytest
import sqlalchemy as sa

from tests.population import FOREIGN_HEAD, contents, differences, filled, run, same
from tests.processes import ended, forked
from watcher_objects import db
from watcher_objects.db import migration, models

# Of eventlet, and of Python where other threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
SECOND_KEY = "uniq_apscheduler_jobs0id"
READS = ("SELECT", "PRAGMA", "SHOW", "DESCRIBE")


@pytest.fixture
def old(empty_database):
    """The kind of a configured database at the head of Watcher's chain, with all rows."""
    filled()
    return sa.make_url(empty_database).get_backend_name()


def build():
    migration.downgrade("base")
    filled()


def down():
    migration.downgrade(FOREIGN_HEAD)


def before_each_statement(action):
    """Call an action with the number of each statement, and with whether it writes."""
    numbers = itertools.count()

    def note(connection, cursor, statement, *rest):
        action(next(numbers), statement.split(maxsplit=1)[0] not in READS)

    sa.event.listen(db.get_engine(), "before_cursor_execute", note)
    return lambda: sa.event.remove(db.get_engine(), "before_cursor_execute", note)


def statements(move):
    """Run it and return the numbers of its statements, and of those that write."""
    found = []
    end = before_each_statement(lambda *statement: found.append(statement))
    move()
    end()
    return [number for number, _ in found], [number for number, writes in found if writes]


def some(points, number):
    """All points in a thorough run, else this number of them, which are spread evenly."""
    if os.environ.get("WATCHER_OBJECTS_TEST_THOROUGH") == "1":
        return points
    return [points[(place + 1) * len(points) // (number + 1)] for place in range(number)]


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def killed(move, last, delay=0):
    """Kill a child before a statement, or when it has run for a while; return its exit code."""

    def act(number, writes):
        if number == last:
            threading.Timer(delay, kill).start() if delay else kill()

    def work():
        before_each_statement(act)
        move()

    return ended(forked(work))


def test_an_upgrade_that_is_killed_can_be_run_again(old):
    before = contents()
    every, writing = statements(migration.upgrade)
    points = [(last, 0) for last in some(every, 2)] + [(last, 0.002) for last in some(writing, 1)]
    for last, delay in points:
        build()
        # It may have ended before.
        codes = (-signal.SIGKILL, 0) if delay else (-signal.SIGKILL,)
        assert killed(migration.upgrade, last, delay) in codes
        migration.upgrade()
        assert differences() == [], last
        same(before, contents())


def test_a_downgrade_that_is_killed_before_any_statement_can_be_run_again(old):
    migration.upgrade()
    before = contents()
    for last in some(statements(down)[0], 1):
        migration.upgrade()
        # MariaDB has less to do when it has its own indexes of keys again.
        assert killed(down, last) in (-signal.SIGKILL, 0)
        down()
        assert migration.version() == FOREIGN_HEAD
        same(before, contents())
        migration.upgrade()
        assert differences() == [], last


@pytest.mark.parametrize("empty_database", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize(
    ("table", "difference", "move"),
    [
        ("goals", "ALTER COLUMN deleted DROP DEFAULT", migration.upgrade),
        ("apscheduler_jobs", f"ADD CONSTRAINT {SECOND_KEY} UNIQUE (id)", migration.upgrade),
        ("action_descriptions", "ADD COLUMN more INTEGER", lambda: migration.downgrade("001")),
    ],
)
def test_a_step_waits_for_who_reads_and_tries_again(old, table, difference, move):
    run(sa.text(f"ALTER TABLE {table} {difference}"))
    reading = threading.Event()

    def read():
        with db.get_engine().connect() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
            reading.set()
            time.sleep(1.8)
            connection.exec_driver_sql("ROLLBACK")

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait()
    move()
    reader.join()
    migration.upgrade()
    assert differences() == []


def test_of_two_upgrades_at_once_none_breaks(old):
    both = [forked(migration.upgrade) for _ in range(2)]
    assert [ended(child) for child in both] == [0, 0]
    assert differences() == []


# SQLite has one writer at a time, and an upgrade is one.
@pytest.mark.parametrize("empty_database", ["postgresql", "mariadb"], indirect=True)
def test_writers_go_on_during_an_upgrade_and_lose_nothing(old):
    stop, counted, waits, failures = threading.Event(), [0, 0], [0.0], []

    def write(number):
        while not stop.is_set():
            begun = time.monotonic()
            try:
                mine = models.audits.c.id == number + 1
                run(
                    sa.update(models.audits)
                    .where(mine)
                    .values(status_message=str(counted[number]))
                )
                run(sa.update(models.goals).where(models.goals.c.id == 1).values(display_name="x"))
            except Exception as error:
                failures.append(error)
                return
            counted[number] += 1
            waits.append(time.monotonic() - begun)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    migration.upgrade()
    stop.set()
    for writer in writers:
        writer.join()
    assert failures == []
    assert differences() == []
    said = run(sa.select(models.audits.c.status_message).order_by("id").limit(2))
    assert [row[0] for row in said] == [str(count - 1) for count in counted]
