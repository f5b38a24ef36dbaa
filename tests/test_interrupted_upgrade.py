# SPDX-License-Identifier: Apache-2.0
"""Upgrades that are killed, that meet another upgrade, or others at work."""

import multiprocessing
import os
import threading
import time

import pytest
import sqlalchemy as sa

from tests.conftest import clean
from tests.population import contents, differences, fill, run, same, tables
from watcher_objects import db, exception
from watcher_objects.db import migration, models

# What eventlet, which oslo.messaging imports, has to say.
pytestmark = pytest.mark.filterwarnings("ignore:Using fork:DeprecationWarning")
FOREIGN_HEAD = "f56ba02662b4"
# The children of a fork must not end as tests would.
processes = multiprocessing.get_context("fork")


@pytest.fixture
def old(database):
    """A configured database at the head of Watcher's chain, with rows in every table."""
    migration.downgrade("base")
    migration.upgrade(FOREIGN_HEAD)
    for table in tables():
        fill(table)
    yield database
    migration.upgrade()
    clean()


def upgrade_and_die(statements):
    """Upgrade, and end as by kill -9 before a statement."""
    left = statements

    def count(*ignored):
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(9)

    sa.event.listen(db.get_engine(), "before_cursor_execute", count)
    migration.upgrade()
    os._exit(0)


def ended(target, *args):
    process = processes.Process(target=target, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def test_an_upgrade_that_is_killed_at_any_statement_can_be_run_again(old):
    before = contents()
    # Odd steps, to come by each kind of statement; the further the longer each run takes.
    for statements in (1, 8, 21, 34, 47, 63, 80, 98, 117, 139):
        migration.downgrade(FOREIGN_HEAD)
        assert ended(upgrade_and_die, statements) in (9, 0)
        migration.upgrade()
        assert differences() == []
        same(before, contents())


def upgrade():
    try:
        migration.upgrade()
    except exception.DatabaseUnavailable:
        os._exit(3)
    os._exit(0)


def test_of_two_upgrades_at_once_none_breaks(old):
    both = [processes.Process(target=upgrade) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert differences() == []


def test_writers_go_on_during_an_upgrade_and_lose_nothing(old):
    if old == "sqlite":
        return  # one writer at a time, and an upgrade is one
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
