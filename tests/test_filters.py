# SPDX-License-Identifier: Apache-2.0
"""Filters, compared with a few lines of Python that say what they mean."""

import datetime
import operator
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factory
from watcher_objects import Audit, Goal, Strategy, exception

HOSTS = [None, "", "a", "A", "a ", "ä", "b"]
STATES = ["PENDING", "CANCELLED"]
MOMENTS = [None, *(factory.MOMENT + datetime.timedelta(microseconds=n) for n in (0, 1, 2))]


def unknown_safe(compare):
    return lambda value, asked: value is not None and compare(value, asked)


MEANINGS = {
    "": operator.eq,
    "__": operator.eq,
    "__eq": operator.eq,
    "__neq": operator.ne,
    "__in": lambda value, asked: value in asked,
    "__notin": lambda value, asked: value not in asked,
    "__gt": unknown_safe(operator.gt),
    "__gte": unknown_safe(operator.ge),
    "__lt": unknown_safe(operator.lt),
    "__lte": unknown_safe(operator.le),
}


@pytest.fixture
def population(database, context):
    """Audits that differ in every way that the filters below ask for."""
    goals = [factory.stored(Goal, context, name=name) for name in ("one", "two")]
    ways = [factory.stored(Strategy, context, name=n, goal_id=goals[0].id) for n in ("x", "Y")]
    audits = []
    for number, host in enumerate(HOSTS * 2):
        audits.append(
            factory.stored(
                Audit,
                context,
                hostname=host,
                state=STATES[number % 2],
                goal_id=goals[number % 2].id,
                strategy_id=[None, ways[0].id, ways[1].id][number % 3],
                next_run_time=MOMENTS[number % 4],
                auto_trigger=bool(number % 3),
            )
        )
    return audits


def naive(moment):
    return moment and moment.replace(tzinfo=None)


def related(name, field):
    return lambda audit: audit[name][field] if audit[name] else None


# What a filter's field reads of an audit, and the values worth asking for.
FIELDS = {
    "hostname": (lambda audit: audit.hostname, HOSTS),
    "state": (lambda audit: audit.state, [*STATES, "ONGOING"]),
    "auto_trigger": (lambda audit: audit.auto_trigger, [True, False]),
    "next_run_time": (lambda audit: audit.next_run_time, [naive(m) for m in MOMENTS]),
    "goal_name": (related("goal", "name"), [None, "one", "two", "three"]),
    "strategy_name": (related("strategy", "name"), [None, "x", "y", "Y"]),
    "strategy_id": (lambda audit: audit.strategy_id, [None, 1, 2, 3]),
}


@st.composite
def some_filters(draw):
    made = {}
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3)):
        sign = draw(st.sampled_from(sorted(MEANINGS)))
        asked = st.sampled_from(FIELDS[field][1])
        if sign in ("__in", "__notin"):
            asked = st.lists(asked, max_size=3)
        elif sign in ("__gt", "__gte", "__lt", "__lte"):
            asked = asked.filter(lambda value: value is not None)
        made[field + sign] = draw(asked)
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=some_filters())
def test_filters_mean_what_python_means(population, context, filters):
    def holds(audit):
        for name, asked in filters.items():
            field, sign, rest = name.partition("__")
            if not MEANINGS[sign + rest](FIELDS[field][0](audit), asked):
                return False
        return True

    expected = [audit for audit in population if holds(audit)]
    assert Audit.list(context, filters=filters) == expected
    assert Audit.list(context, filters=filters, eager=True) == expected


def test_relations_are_found_by_uuid(population, context):
    for relation, sign in product(("goal", "strategy"), ("", "__neq", "__in", "__notin")):
        uuid = population[1][relation].uuid
        asked = [uuid] if "in" in sign else uuid
        read = related(relation, "uuid")
        expected = [audit for audit in population if MEANINGS[sign](read(audit), asked)]
        assert Audit.list(context, filters={f"{relation}_uuid{sign}": asked}) == expected


def test_every_column_but_the_documents_can_be_filtered(population, context):
    for column in Audit.table.columns:
        if "internal" in column.info:
            with pytest.raises(exception.InvalidFilter, match="no such field"):
                Audit.list(context, filters={column.name: 1})
        elif "json" in column.info:
            with pytest.raises(exception.InvalidFilter, match="documents"):
                Audit.list(context, filters={column.name: {}})
        else:
            Audit.list(context, filters={f"{column.name}__neq": None, f"{column.name}__in": []})


def test_a_uuid_is_found_by_any_spelling(population, context):
    audit = population[1]
    for spelled in (str.upper, lambda text: text.replace("-", ""), "{{{}}}".format):
        for name, value in (("uuid", audit.uuid), ("goal_uuid", audit.goal.uuid)):
            assert audit in Audit.list(context, filters={name: spelled(value)})


def test_deleted_is_asked_as_yes_or_no(population, context, show_deleted_context):
    gone = population[1]
    gone.soft_delete()
    for name, value in (("deleted", True), ("deleted__neq", False), ("deleted", gone.id)):
        assert Audit.list(show_deleted_context, filters={name: value}) == [gone]
        assert Audit.list(context, filters={name: value}) == []
    for name, value in (("deleted", False), ("deleted__neq", True), ("deleted__eq", 0)):
        assert gone not in Audit.list(show_deleted_context, filters={name: value})
        assert len(Audit.list(context, filters={name: value})) == len(population) - 1


def test_the_callers_filters_stay_as_they_are(population, context):
    filters = {"deleted": False, "hostname__in": ["a", None], "next_run_time": "2026-11-22"}
    before = dict(filters)
    Audit.list(context, filters=filters)
    assert filters == before


def test_an_unknown_filter_is_refused_and_the_nearest_is_named(sqlite, context):
    """``boundary_values`` has the values, and the operators."""
    for filters, named in (
        ({"foo": 1}, "foo"),
        ({"hostnam": "a"}, "hostname"),
        ({"goal_foo": 1}, "goal_..."),
        ({"audit_uuid": "x"}, "audit_uuid"),
        ({"deleted__gt": True}, "deleted takes a whole number"),
    ):
        with pytest.raises(exception.InvalidFilter) as caught:
            Audit.list(context, filters=filters)
        assert named in str(caught.value)
        assert caught.value.code == 400
