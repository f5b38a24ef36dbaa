# SPDX-License-Identifier: Apache-2.0
"""The time that a call may take: what may be said of it, and whose limit holds."""

import contextlib
import signal
import socket
import sqlite3
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import factory
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration, transactions
from watcher_objects.db.backend import budget
from watcher_objects.db.backend import database as backend


@pytest.fixture
def unconfigured():
    yield
    db.dispose()


@pytest.mark.parametrize("retry_for", [0, 0.0, 2, 2.5, 30, 86400])
def test_a_time_is_that_of_each_call(unconfigured, retry_for):
    db.configure("sqlite://", retry_for=retry_for)
    with budget.deadline(backend.timeout()):
        left = budget.remaining()
    assert left is None if retry_for == 0 else retry_for < left <= retry_for + 0.5


def sleep(seconds):
    name = {"mysql": "SLEEP", "postgresql": "pg_sleep"}[db.get_engine().dialect.name]
    return transactions.execute(sa.text(f"SELECT {name}({seconds})")).rows


class SoftLimit(Exception):
    """What a signal handler raises."""


@contextlib.contextmanager
def limited(error):
    """Raise an error from a signal handler soon."""

    def strike(*ignored):
        raise error

    kept = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("error", [SoftLimit, TimeoutError])
def test_a_time_limit_is_raised_as_it_is(database, error):
    with pytest.raises(error), limited(error):
        sleep(5)


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
@pytest.mark.parametrize(
    "inside", [lambda: budget.deadline(30), budget.no_deadline], ids=["in-a-call", "in-none"]
)
def test_a_callers_own_limit_holds_where_it_is_shorter(url, database, inside):
    in_query = sa.make_url(url).update_query_dict({"read_timeout": "1"})
    in_args = {"read_timeout": 0.5, "write_timeout": 1}
    for given, options in ((in_query, {}), (url, {"connect_args": in_args})):
        db.configure(given, **options)
        with inside(), pytest.raises(exception.DatabaseUnavailable):
            sleep(5)


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
def test_the_calls_limit_holds_where_it_is_shorter(url, database):
    db.configure(url, connect_args={"read_timeout": 60})
    backend.current().timeout = 0.2
    with budget.deadline(backend.timeout()), pytest.raises(exception.DatabaseUnavailable):
        sleep(5)


@pytest.fixture
def silent():
    """The place of a server that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("scheme", "own", "seconds"),
    [
        ("postgresql", "connect_timeout=1", 60),
        ("postgresql", "connect_timeout=0", 0.2),
        ("mysql", "read_timeout=1", 60),
        ("mysql", "connect_timeout=60&read_timeout=60", 0.2),
    ],
)
def test_connecting_has_the_shorter_limit(unconfigured, silent, scheme, own, seconds):
    db.configure(f"{scheme}://nobody@{silent}/none?{own}")
    backend.current().timeout = seconds
    began = time.monotonic()
    with (
        budget.deadline(backend.timeout()),
        pytest.raises(exception.DatabaseUnavailable),
        backend.connect(),
    ):
        pass
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_time_limit_ends_connecting(unconfigured, context, silent, scheme):
    db.configure(f"{scheme}://nobody@{silent}/none")
    with pytest.raises(TimeoutError), limited(TimeoutError):
        Goal.list(context)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_limit_that_is_not_a_number_is_reported_at_once(unconfigured, context, silent, scheme):
    db.configure(f"{scheme}://nobody@{silent}/none", connect_args={"connect_timeout": "soon"})
    with pytest.raises(exception.DatabaseError) as caught:
        Goal.list(context)
    assert not isinstance(caught.value, exception.DatabaseUnavailable)


def test_a_call_ends_while_the_clock_stands_still(unconfigured, tmp_path, context, monkeypatch):
    path = tmp_path / "audits.sqlite"
    db.configure(f"sqlite:///{path}", retry_for=2)
    migration.upgrade()
    goal = factory.stored(Goal, context)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(time, "monotonic", lambda: 0.0)
        goal.display_name = "waits"
        with pytest.raises(exception.DatabaseUnavailable):
            goal.save()
