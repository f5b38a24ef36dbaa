# SPDX-License-Identifier: Apache-2.0
"""What each field of each class takes and refuses: one verdict, on every database."""

import pytest
import sqlalchemy as sa

from tests import factory
from tests.boundary_values.documents import LARGE
from tests.boundary_values.fields import FIELDS, FROZEN
from tests.boundary_values.verdicts import (
    Read,
    Refusal,
    expected,
    in_a_filter,
    kind,
    outcome,
    same,
    shown,
)
from tests.conftest import clean
from tests.generated import BY_NAME
from watcher_objects import Audit, db
from watcher_objects.db import migration, models


@pytest.fixture(scope="module", autouse=True)
def numbers(url):
    """Make the tables anew afterwards: the highest id that may be given has used up the ids."""
    yield
    db.configure(url)
    clean()
    migration.downgrade("base")
    migration.upgrade()
    db.dispose()


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


@pytest.fixture
def classes(database, context):
    """The classes; there is one object of each that is stored."""
    for name in FIELDS:
        factory.stored(BY_NAME[name], context)
    return [BY_NAME[name] for name in FIELDS]


def inputs_of(classes, *, frozen=False):
    """Yield a class, a field, a value and its verdict."""
    for cls in classes:
        table = {**FROZEN, **FIELDS[cls.obj_name()]} if frozen else FIELDS[cls.obj_name()]
        for field in table.keys() & cls.fields.keys():
            for given, verdict in table[field]:
                yield cls, field, given, verdict


def wrong(context, way, inputs):
    """Return what became of inputs otherwise than it should."""
    found = []
    for cls, field, given, verdict in inputs:
        told = outcome(lambda one=(cls, context, field, given): way(*one))
        due = expected(verdict, given, field)
        if not same(told, due):
            place = f"{cls.obj_name()}.{field} {kind(given)} {shown(given)}"
            found.append(f"{place}: {shown(told)}, not {shown(due)}")
    return found


def judge_changes(context, way, inputs):
    """Change rows by what is taken, and then see what is refused change none."""
    assert wrong(context, way, [one for one in inputs if isinstance(one[3], Read)]) == []
    before = stored_rows()
    assert wrong(context, way, [one for one in inputs if isinstance(one[3], Refusal)]) == []
    assert stored_rows() == before


def test_what_create_takes_is_read_back_and_what_it_refuses_leaves_no_row(classes, context):
    before = stored_rows()
    large = [(Audit, "parameters", *one) for one in LARGE]
    assert wrong(context, by_create, [*inputs_of(classes, frozen=True), *large]) == []
    assert stored_rows() == before


def test_save_takes_and_refuses_what_create_does(classes, context):
    # What may follow a state is asked elsewhere.
    judge_changes(context, by_save, [one for one in inputs_of(classes) if one[1] != "state"])


def test_a_primitive_is_taken_and_refused_as_a_value_is(classes, context):
    inputs = [
        one
        for one in inputs_of(classes)
        if isinstance(one[2], str | int | float | bool | list | dict) and one[1] != "state"
    ]
    judge_changes(context, by_primitive, inputs)


def test_a_filter_refuses_what_a_field_does(classes, context):
    inputs = [
        (cls, field, given, in_a_filter(verdict))
        for cls, field, given, verdict in inputs_of(classes, frozen=True)
        if isinstance(verdict, Refusal) and verdict.by_filters
        if "json" not in cls.table.columns[field].info
    ]
    before = stored_rows()
    assert wrong(context, by_filter, inputs) == []
    assert stored_rows() == before
