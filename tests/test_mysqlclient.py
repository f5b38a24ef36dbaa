# SPDX-License-Identifier: Apache-2.0
"""What MariaDB's second driver does otherwise; the tests of the contract run on it, too."""

import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import servers
from watcher_objects import Goal, db, exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import budget
from watcher_objects.testing import database as databases

GREEN = """
import sys, time
if sys.argv[2] == "eventlet":
    import eventlet
    eventlet.monkey_patch()
    spawn = eventlet.spawn
else:
    from gevent import monkey, spawn
    monkey.patch_all()
import sqlalchemy as sa
from watcher_objects import db
from watcher_objects.db import transactions
ticks = []
def tick():
    while True:
        ticks.append(None)
        time.sleep(0.02)
db.configure(sys.argv[1])
transactions.execute(sa.text("SELECT 1"))
spawn(tick)
before = len(ticks)
transactions.execute(sa.text("SELECT SLEEP(0.5)"))
print(len(ticks) - before)
"""


@pytest.fixture(scope="session")
def shared_url(database_urls):
    return database_urls(servers.MYSQLCLIENT)


@pytest.fixture(scope="session")
def url(shared_url):
    """Its URL, with our schema; pytest would keep that of other modules for them."""
    return databases.upgraded(shared_url)


def run(text):
    return transactions.execute(sa.text(text)).rows


def test_call_that_is_not_answered_ends_at_its_deadline(url, database):
    db.configure(url, retry_for=2)
    began = time.monotonic()
    with pytest.raises(exception.DatabaseUnavailable), budget.deadline(2):
        run("SELECT SLEEP(30)")
    assert time.monotonic() - began < 10
    assert run("SELECT 1") == [(1,)]


def test_limit_of_the_caller_may_be_a_fraction_of_a_second(url, database):
    db.configure(url, connect_args={"read_timeout": 0.3, "connect_timeout": 0.5})
    began = time.monotonic()
    with pytest.raises(exception.DatabaseUnavailable), budget.no_deadline():
        run("SELECT SLEEP(30)")
    assert time.monotonic() - began < 10


def test_interrupted_statement_leaves_no_answer_for_the_next(database):
    def interrupt(*ignored):
        raise RuntimeError("enough")

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(RuntimeError, match="enough"):
            run("SELECT SLEEP(5)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert run("SELECT 7") == [(7,)]


def test_lost_connection_is_replaced(database, url, context):
    (number,) = run("SELECT connection_id()")[0]
    with closing(databases.admin(url).connect()) as admin:
        admin.exec_driver_sql(f"KILL {number}")
    assert Goal.list(context) == []


def test_connection_in_a_transaction_does_not_return_to_the_pool(database):
    with db.get_engine().connect() as connection:
        (number,) = connection.exec_driver_sql("SELECT connection_id()").one()
        connection.exec_driver_sql("START TRANSACTION")
    with db.get_engine().connect() as connection:
        assert connection.exec_driver_sql("SELECT connection_id()").one() != (number,)


def test_time_without_a_name_is_an_error_that_names_the_row(database, url, context):
    goal = Goal(context, name="goal", display_name="goal", efficacy_specification=[])
    goal.create()
    with closing(databases.admin(url).connect()) as admin:
        admin.exec_driver_sql("SET sql_mode = ''")
        admin.exec_driver_sql("UPDATE goals SET created_at = '0000-00-00'")
    with pytest.raises(exception.DatabaseError, match=f"row {goal.id} of goals"):
        Goal.list(context)


def test_statement_that_is_too_large_is_not_sent(database):
    (most,) = run("SELECT @@max_allowed_packet")[0]
    with (
        closing(db.get_engine().raw_connection()) as connection,
        pytest.raises(connection.dbapi_connection.OperationalError, match="max_allowed_packet"),
    ):
        connection.cursor().execute(f"SELECT '{'x' * most}'")


def test_wrong_password_is_not_retried(url, database):
    place = sa.make_url(url).set(username="nobody", password=servers.CANARY)
    db.configure(place)
    with pytest.raises(exception.DatabaseError, match="the account can't connect") as caught:
        run("SELECT 1")
    assert servers.CANARY not in str(caught.value)


@pytest.mark.parametrize("library", ["eventlet", "gevent"])
def test_green_threads_run_while_one_waits_for_an_answer(url, library):
    command = [sys.executable, "-W", "ignore", "-c", GREEN, url, library]
    done = subprocess.run(  # noqa: S603 - a constant
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) > 10


def test_missing_driver_is_named_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with pytest.raises(exception.DatabaseError, match=r"watcher-objects\[mysqlclient\]"):
        db.configure("mysql+mysqldb://root@127.0.0.1/x")
