# SPDX-License-Identifier: Apache-2.0
"""What each field of each class takes and refuses: one verdict, on every database."""

import pytest
import sqlalchemy as sa

from tests import factory
from tests.generated import BY_NAME
from tests.inputs.fields import FIELDS, FROZEN
from tests.inputs.verdicts import (
    Read,
    Refusal,
    expected,
    in_a_filter,
    kind,
    outcome,
    same,
    shown,
)
from watcher_objects import db, exception
from watcher_objects.db import models


def stored_rows():
    """Return all that is stored."""
    with db.get_engine().connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))]
            for table in models.metadata.sorted_tables
        }


def by_create(cls, context, field, given):
    obj = factory.built(cls, context, **{field: given})
    obj.create()
    read = cls.get(context, obj.id)[field]
    if given is not None and "json" not in cls.table.columns[field].info:
        assert obj in cls.list(context, filters={field: given})
    obj.destroy()
    return read


def by_save(cls, context, field, given):
    obj = cls.list(context, limit=1)[0]
    obj[field] = given
    obj.save()
    return cls.get(context, obj.id)[field]


def by_primitive(cls, context, field, given):
    primitive = cls.list(context, limit=1)[0].obj_to_primitive()
    primitive["watcher_object.data"][field] = given
    primitive["watcher_object.changes"] = [field]
    obj = cls.obj_from_primitive(primitive, context)
    obj.save()
    return cls.get(context, obj.id)[field]


def by_filter(cls, context, field, given):
    return cls.list(context, filters={field: given}, limit=0)


@pytest.fixture(params=FIELDS)
def cls(database, context, request):
    """Each class; there is one object of it that is stored."""
    factory.stored(BY_NAME[request.param], context)
    return BY_NAME[request.param]


def inputs_of(cls, *tables):
    return [
        (field, given, verdict)
        for table in tables
        for field, pairs in table.items()
        if field in cls.fields
        for given, verdict in pairs
    ]


def wrong(cls, context, way, inputs):
    """Return what became of inputs otherwise than it should."""
    found = []
    for field, given, verdict in inputs:
        told = outcome(lambda field=field, given=given: way(cls, context, field, given))
        due = expected(verdict, given, field)
        if not same(told, due):
            found.append(f"{field} {kind(given)} {shown(given)}: {shown(told)}, not {shown(due)}")
    return found


def test_every_field_is_in_the_table():
    for cls in factory.CLASSES:
        known = FIELDS[cls.obj_name()].keys() | FROZEN.keys() & cls.fields.keys()
        assert known == cls.fields.keys() - cls.object_fields.keys()


def test_what_create_takes_is_read_back_and_what_it_refuses_leaves_no_row(cls, context):
    before = stored_rows()
    assert wrong(cls, context, by_create, inputs_of(cls, FROZEN, FIELDS[cls.obj_name()])) == []
    assert stored_rows() == before


def test_save_takes_and_refuses_what_create_does(cls, context):
    # What may follow a state is asked elsewhere.
    inputs = [one for one in inputs_of(cls, FIELDS[cls.obj_name()]) if one[0] != "state"]
    assert wrong(cls, context, by_save, [i for i in inputs if isinstance(i[2], Read)]) == []
    before = stored_rows()
    assert wrong(cls, context, by_save, [i for i in inputs if isinstance(i[2], Refusal)]) == []
    assert stored_rows() == before


def test_a_primitive_is_taken_and_refused_as_a_value_is(cls, context):
    inputs = [
        (field, given, verdict)
        for field, given, verdict in inputs_of(cls, FIELDS[cls.obj_name()])
        if isinstance(given, str | int | float | bool | list | dict) and field != "state"
    ]
    assert wrong(cls, context, by_primitive, inputs) == []


def test_a_filter_refuses_what_a_field_does(cls, context):
    inputs = [
        (field, given, in_a_filter(verdict))
        for field, given, verdict in inputs_of(cls, FROZEN, FIELDS[cls.obj_name()])
        if isinstance(verdict, Refusal) and verdict.by_filters
        if "json" not in cls.table.columns[field].info
    ]
    assert wrong(cls, context, by_filter, inputs) == []
