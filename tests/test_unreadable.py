# SPDX-License-Identifier: Apache-2.0
"""Rows that no object can hold: they are named, and lists leave them out on request."""

import itertools

import pytest

from tests import factory
from tests.conftest import clean
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db import migration

#: A time that Python can't hold.
UNREADABLE = {
    "sqlite": "1700000000",
    "postgresql": "'infinity'",
    "mysql": "'0000-00-00 00:00:00'",
}


def spoil(database, table, *idents, column="created_at"):
    setting = "SET SESSION sql_mode = ''" if database == "mysql" else "SELECT 1"
    which = ", ".join(map(str, idents))
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql(setting)
        connection.exec_driver_sql(
            f"UPDATE {table} SET {column} = {UNREADABLE[database]} WHERE id IN ({which})"
        )
        connection.invalidate()


@pytest.fixture
def audits(database, context):
    clean()
    with db.transaction():
        return [factory.stored(Audit, context) for _ in range(8)]


@pytest.fixture
def skipping(url, database):
    db.configure(url, unreadable="skip")
    yield database
    db.configure(url)


def test_it_ends_neither_the_check_nor_a_get_of_another(database, context, audits):
    spoil(database, "audits", audits[0].id)
    named = f"row {audits[0].id} of audits can't be loaded: created_at"
    (found,) = migration.check()
    assert found.what.startswith(named)
    with pytest.raises(exception.DatabaseError, match=named):
        Audit.list(context)
    assert Audit.get(context, audits[1].id) == audits[1]


@pytest.mark.parametrize("spoiled", [(0,), (7,), (2, 3, 4, 5), (0, 1, 2, 3, 4, 5, 6), range(8)])
def test_pages_are_full_without_them(skipping, context, audits, caplog, spoiled):
    spoil(skipping, "audits", *(audits[place].id for place in spoiled))
    left = [audit for place, audit in enumerate(audits) if place not in spoiled]
    for limit in (None, 1, 2, 8, 9):
        seen, marker = [], None
        for _ in range(10):
            page = Audit.list(context, limit=limit, marker=marker)
            seen += page
            if limit is None or len(page) < limit:
                break
            marker = page[-1]
        assert seen == left
    warned = "\n".join(record.getMessage() for record in caplog.records)
    for place in spoiled:
        assert f"row {audits[place].id} of audits can't be loaded: created_at" in warned


def test_iterating_goes_on_after_them(skipping, context, audits):
    spoil(skipping, "audits", *(audit.id for audit in audits[1:6]))
    for batch, sort_key in itertools.product((1, 3, 100), ("id", "created_at", "name")):
        found = list(itertools.islice(Audit.iterate(context, batch, sort_key=sort_key), 10))
        assert sorted(audit.id for audit in found) == [audits[n].id for n in (0, 6, 7)]


def test_what_leads_to_one_is_left_out_where_that_is_read(skipping, context, audits):
    other = factory.stored(Goal, context)
    moved = factory.stored(Audit, context, goal_id=other.id)
    spoil(skipping, "goals", other.id)
    assert moved in Audit.list(context)
    assert Audit.list(context, eager=True) == audits


def test_a_get_raises_all_the_same(skipping, context, audits):
    spoil(skipping, "audits", audits[0].id)
    with pytest.raises(exception.DatabaseError, match=f"row {audits[0].id} of audits"):
        Audit.get(context, audits[0].id)


def test_no_other_policy_can_be_configured(url):
    with pytest.raises(exception.InvalidParameter, match="raise or skip"):
        db.configure(url, unreadable="ignore")
