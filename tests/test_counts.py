# SPDX-License-Identifier: Apache-2.0
"""Rows are counted in the database as Python would count them, on every database."""

import datetime
from collections import Counter

import pytest
import sqlalchemy as sa

from tests import population
from watcher_objects import exception
from watcher_objects.db import models
from watcher_objects.db.counts import count
from watcher_objects.db.sql import values

AUDITS = models.audits
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def filled(database):
    """Three audits, as the population has them, and more of which some have no host."""
    for table in (models.goals, models.strategies, AUDITS):
        population.fill(table)
    more = [
        {"state": "PENDING", "hostname": None, "created_at": population.MOMENT - HOUR},
        {"state": "FAILED", "hostname": "b\x1b", "created_at": population.MOMENT + HOUR},
        {"state": "FAILED", "hostname": "B\x1b", "created_at": None},
        {"state": None, "hostname": "", "created_at": population.MOMENT},
    ]
    for number, row in enumerate(more, 4):
        fixed = {"id": number, "deleted": 0, "goal_id": 2, "auto_trigger": True, "force": False}
        population.run(sa.insert(AUDITS).values({**fixed, **row}))


def counted(column, *conditions):
    return Counter(value for (value,) in population.run(sa.select(column).where(*conditions)))


def test_each_column_is_counted_as_python_does(filled):
    for by in values.comparable(AUDITS):
        column = AUDITS.columns[by]
        assert count(AUDITS, by, show_deleted=True) == counted(column), by
        assert count(AUDITS, by) == counted(column, AUDITS.c.deleted == 0), by


def test_ranges_are_counted_as_python_does(filled):
    marks = [population.MOMENT - HOUR, population.MOMENT, population.MOMENT + 2 * HOUR]
    found = counted(AUDITS.c.created_at)
    expected = Counter()
    for value, number in found.items():
        expected[None if value is None else sum(mark < value for mark in marks)] += number
    assert count(AUDITS, "created_at", marks=marks, show_deleted=True) == expected
    assert {0, 1, 2, None} == expected.keys()


def test_a_filter_narrows_what_is_counted(filled):
    assert count(AUDITS, "state", filters={"state__in": ["FAILED"], "goal_id": 2}) == {"FAILED": 2}
    assert count(AUDITS, "hostname", filters={"hostname": None, "state": "PENDING"}) == {None: 1}
    name = f"{population.TEXT} 1"
    assert count(AUDITS, "id", filters={"goal_name": name}) == {1: 1}


def test_a_count_is_one_statement_that_groups(filled, statements):
    statements.clear()
    count(AUDITS, "hostname", filters={"state": "FAILED"})
    (text,) = statements
    assert "GROUP BY" in text


def test_what_can_not_be_counted_by_is_refused_with_what_can(sqlite):
    for by in ("colour", "parameters", None, ["state"], "goal_name"):
        with pytest.raises(exception.UnknownField) as caught:
            count(AUDITS, by)
        assert all(name in str(caught.value) for name in values.comparable(AUDITS))


def test_marks_out_of_order_are_refused(sqlite):
    for marks in ((2, 1), (1, 1), (1, None)):
        with pytest.raises(exception.InvalidParameter, match="marks"):
            count(AUDITS, "deleted", marks=marks)


def test_a_mark_that_the_column_can_not_hold_is_refused(sqlite):
    with pytest.raises(exception.InvalidValue, match="created_at"):
        count(AUDITS, "created_at", marks=["some day"])
