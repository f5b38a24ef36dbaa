# SPDX-License-Identifier: Apache-2.0
"""The time that a call may take: what may be said of it, and whose limit holds."""

import socket
import time

import pytest
import sqlalchemy as sa

from watcher_objects import Goal, db, exception
from watcher_objects.db import budget, engine, transactions


@pytest.fixture
def unconfigured():
    yield
    db.dispose()


@pytest.mark.parametrize("retry_for", [0, 0.0, 2, 2.5, 30, 86400])
def test_a_time_is_that_of_each_call(unconfigured, retry_for):
    db.configure("sqlite://", retry_for=retry_for)
    with budget.limited():
        left = budget.remaining()
    assert left is None if retry_for == 0 else retry_for < left <= retry_for + 0.5


def sleep(seconds):
    return transactions.execute(sa.text(f"SELECT SLEEP({seconds})")).rows


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
@pytest.mark.parametrize("inside", [budget.limited, budget.anew], ids=["in-a-call", "in-none"])
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
    budget.allow(0.2)
    with budget.limited(), pytest.raises(exception.DatabaseUnavailable):
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
    budget.allow(seconds)
    began = time.monotonic()
    with budget.limited(), pytest.raises(exception.DatabaseUnavailable), engine.connect():
        pass
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_limit_that_is_no_number_is_told_at_once(unconfigured, context, silent, scheme):
    db.configure(f"{scheme}://nobody@{silent}/none", connect_args={"connect_timeout": "soon"})
    with pytest.raises(exception.DatabaseError) as caught:
        Goal.list(context)
    assert not isinstance(caught.value, exception.DatabaseUnavailable)
