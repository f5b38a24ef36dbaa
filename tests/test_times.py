# SPDX-License-Identifier: Apache-2.0
"""Times that SQL itself has written, which SQLite keeps without their fraction of a second."""

import datetime
import operator
from itertools import product

import pytest
import sqlalchemy as sa

from tests import factory
from tests.conftest import clean
from watcher_objects import Audit, db
from watcher_objects.db.backend.database import get_engine

SPELLED = [
    "2026-01-01 00:00:00",
    "2026-01-01 00:00:00.000",
    "2026-01-01 00:00:00.000000",
    "2026-01-01 00:00:10",
    "2026-01-01 00:00:10.5",
    "2026-01-01 00:00:10.500000",
    "2026-01-01 00:00:10.500001",
    "2026-01-01 00:00:11",
]
TIMES = [datetime.datetime.fromisoformat(f"{text}+00:00") for text in SPELLED]
COMPARED = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@pytest.fixture
def audits(sqlite, context):
    """Two audits for each spelling, and two without a time, mixed."""
    clean()
    with db.transaction():
        made = [factory.stored(Audit, context, next_run_time=None) for _ in range(18)]
    with get_engine().begin() as run:
        for audit, text in zip(made, [*SPELLED, None] * 2, strict=True):
            value = {"at": text, "id": audit.id}
            run.execute(sa.text("UPDATE audits SET next_run_time = :at WHERE id = :id"), value)
    return Audit.list(context)


def test_filters_compare_the_times_and_not_their_texts(audits, context):
    for (name, met), time in product(COMPARED.items(), sorted(set(TIMES))):
        expected = [
            audit.id
            for audit in audits
            if (
                name == "neq"
                if audit.next_run_time is None
                else met(audit.next_run_time.replace(tzinfo=datetime.UTC), time)
            )
        ]
        found = Audit.list(context, filters={f"next_run_time__{name}": time})
        assert [audit.id for audit in found] == expected, (name, time)


def test_lists_of_choices_do_as_well(audits, context):
    for choices in (TIMES[:1], TIMES[:4], [TIMES[4], None]):
        plain = [time and time.replace(tzinfo=None) for time in choices]
        inside = {audit.id for audit in audits if audit.next_run_time in plain}
        for name, expected in (("in", inside), ("notin", {audit.id for audit in audits} - inside)):
            found = Audit.list(context, filters={f"next_run_time__{name}": choices})
            assert {audit.id for audit in found} == expected


def test_pages_show_each_row_once(audits, context):
    for descending, limit, by in product((False, True), (1, 3), ("uuid", "object")):
        seen, marker = [], None
        asked = {"sort_key": "next_run_time", "sort_dir": "desc" if descending else "asc"}
        while page := Audit.list(context, limit=limit, marker=marker, **asked):
            seen += page
            marker = page[-1] if by == "object" else page[-1].uuid
        assert len(seen) == len(audits)
        assert {audit.id for audit in seen} == {audit.id for audit in audits}
        times = [audit.next_run_time or datetime.datetime.min for audit in seen]
        assert times == sorted(times, reverse=descending)


def test_iterating_and_a_marker_that_was_removed(audits, context):
    iterated = list(Audit.iterate(context, batch=2, sort_key="next_run_time"))
    assert len({audit.id for audit in iterated}) == len(audits)
    marker = next(audit for audit in iterated if audit.next_run_time)
    Audit.get_by_id(context, marker.id).destroy()
    after = Audit.list(context, sort_key="next_run_time", marker=marker)
    later = {a.id for a in iterated if a.next_run_time and a.next_run_time > marker.next_run_time}
    assert later <= {audit.id for audit in after}


def test_an_audit_with_such_a_time_can_be_saved(sqlite, context):
    audit = factory.stored(Audit, context)
    with get_engine().begin() as run:
        run.execute(sa.text("UPDATE audits SET updated_at = '2026-01-01 00:00:00'"))
    found = Audit.get_by_id(context, audit.id)
    found.state = "ONGOING"
    found.save()
    assert Audit.get_by_id(context, audit.id).state == "ONGOING"
