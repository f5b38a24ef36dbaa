# SPDX-License-Identifier: Apache-2.0
"""What each field of each class takes and refuses: one verdict, on every database."""

import pytest
import sqlalchemy as sa
from oslo_versionedobjects import fields as ovo

from tests import factory
from tests.boundary_values import documents, kinds
from tests.boundary_values.kinds import optional, required
from tests.boundary_values.verdicts import (
    Read,
    Refusal,
    expected,
    in_a_filter,
    kind,
    outcome,
    rule,
    same,
    shown,
)
from tests.chaos.tiers import LONG
from tests.conftest import clean
from tests.generated import BY_NAME
from watcher_objects import Audit, db, exception, fields
from watcher_objects.db import migration, models
from watcher_objects.db.sql.filters import target
from watcher_objects.persistence.registry import class_of

_AUDIT = "PENDING", "ONGOING, SUSPENDED, SUCCEEDED, FAILED, CANCELLED, DELETED"
_PLAN = (
    "RECOMMENDED",
    "PENDING, ONGOING, CANCELLING, SUCCEEDED, FAILED, CANCELLED, SUPERSEDED, DELETED",
)
_ACTION = "PENDING", "ONGOING, CANCELLING, SUCCEEDED, FAILED, SKIPPED, CANCELLED, DELETED"


def _state_with_default(initial, others):
    message = f"Unknown state None; expected one of {initial}, {others}"
    refusal = Refusal(exception.InvalidState, message, by_filters=False)
    return [*kinds.state(initial, others), (None, refusal)]


#: What create() accepts in addition, and save() does not.
FROZEN = {
    "id": required(kinds.IDENT),
    "uuid": required(kinds.UUID),
    "created_at": kinds.time(),
    "updated_at": optional(kinds.time()),
    "deleted_at": [
        (kinds.NOON, rule("is soft_delete's to write", by_filters=False)),
        ("yesterday", rule("takes a datetime, or ISO 8601 text")),
        *optional([]),
    ],
}
#: Fields that accept other values than their types and columns say.
_SPECIAL = {
    ("Audit", "state"): required(kinds.state(*_AUDIT)),
    ("Audit", "interval"): optional(kinds.INTERVAL),
    ("ActionPlan", "state"): _state_with_default(*_PLAN),
    ("Action", "state"): _state_with_default(*_ACTION),
}
_TYPES = {
    fields.UUIDField: kinds.UUID,
    fields.IntegerField: kinds.INTEGER,
    fields.BooleanField: kinds.BOOLEAN,
    fields.NumericField: kinds.NUMBER,
    fields.FlexibleDictField: documents.mapping(),
    fields.DictField: documents.mapping(),
    fields.FlexibleListOfDictField: documents.array(),
    fields.ListOfStringsField: documents.texts(),
}


def _values(cls, name):
    """Return what a field takes and refuses, None apart."""
    field, column = cls.fields[name], cls.table.columns[name]
    if column.foreign_keys:
        related = class_of(target(column))
        message = f"{related.resource.replace('_', ' ').capitalize()} {{}} not found"
        return kinds.reference(related.not_found, message)
    if type(field) is fields.DateTimeField:
        return kinds.time(aware=field._type.tzinfo_aware)
    return _TYPES[type(field)] if type(field) in _TYPES else _texts(column)


def _texts(column):
    if "any_text" in column.info:
        return kinds.message(column.type.length)
    if isinstance(column.type, sa.Text):
        return kinds.long_text(65535)
    return kinds.text(column.type.length)


def _inputs(cls, name):
    """Return what a field takes and refuses."""
    if (cls.obj_name(), name) in _SPECIAL:
        return _SPECIAL[cls.obj_name(), name]
    field, values = cls.fields[name], _values(cls, name)
    if field.nullable and not cls.table.columns[name].nullable:
        return required(values)
    if not field.nullable and field.default is ovo.UnspecifiedDefault:
        return required(values)
    return [*values, (None, Read(field.coerce(None, name, None)))]


FIELDS = {
    cls.obj_name(): {
        name: _inputs(cls, name)
        for name in cls.fields.keys() - cls.object_fields.keys() - FROZEN.keys()
    }
    for cls in factory.CLASSES
}


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
    """Return all that is stored, without the history, which keeps what was destroyed."""
    with db.get_engine().connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))]
            for table in models.metadata.sorted_tables
            if table is not models.transitions
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


def inputs_of(classes, database, *, frozen=False):
    """Yield a class, a field, a value and its verdict.

    Of fields of one kind, all are yielded in the long tier and on SQLite, else one; of fields of
    new objects, whose tests take longest, all in the long tier only.
    """
    seen = set()
    for cls in classes:
        table = {**FROZEN, **FIELDS[cls.obj_name()]} if frozen else FIELDS[cls.obj_name()]
        for field in sorted(table.keys() & cls.fields.keys()):
            column = cls.table.columns[field]
            alike = repr((type(cls.fields[field]), column.type, column.nullable, column.info))
            alike += str(_SPECIAL.get((cls.obj_name(), field)) and cls)
            if alike in seen and not (LONG or (database == "sqlite" and not frozen)):
                continue
            seen.add(alike)
            for given, verdict in table[field]:
                yield cls, field, given, verdict


def wrong(context, way, inputs):
    """Return what became of inputs otherwise than it should."""
    found = []
    for cls, field, given, verdict in inputs:
        result = outcome(lambda one=(cls, context, field, given): way(*one))
        due = expected(verdict, given, field)
        if not same(result, due):
            place = f"{cls.obj_name()}.{field} {kind(given)} {shown(given)}"
            found.append(f"{place}: {shown(result)}, not {shown(due)}")
    return found


def judge_changes(context, way, inputs):
    """Change rows by what is taken, and then see what is refused change none."""
    assert wrong(context, way, [one for one in inputs if isinstance(one[3], Read)]) == []
    before = stored_rows()
    assert wrong(context, way, [one for one in inputs if isinstance(one[3], Refusal)]) == []
    assert stored_rows() == before


def test_what_create_takes_is_read_back_and_what_it_refuses_leaves_no_row(
    classes, database, context
):
    before = stored_rows()
    large = [(Audit, "parameters", *one) for one in documents.LARGE]
    assert wrong(context, by_create, [*inputs_of(classes, database, frozen=True), *large]) == []
    assert stored_rows() == before


def test_save_takes_and_refuses_what_create_does(classes, database, context):
    # What may follow a state is asked elsewhere.
    judge_changes(
        context, by_save, [one for one in inputs_of(classes, database) if one[1] != "state"]
    )


def test_a_primitive_is_taken_and_refused_as_a_value_is(classes, database, context):
    inputs = [
        one
        for one in inputs_of(classes, database)
        if isinstance(one[2], str | int | float | bool | list | dict) and one[1] != "state"
    ]
    judge_changes(context, by_primitive, inputs)


def test_a_filter_refuses_what_a_field_does(classes, database, context):
    inputs = [
        (cls, field, given, in_a_filter(verdict))
        for cls, field, given, verdict in inputs_of(classes, database, frozen=True)
        if isinstance(verdict, Refusal) and verdict.by_filters
        if "json" not in cls.table.columns[field].info
    ]
    before = stored_rows()
    assert wrong(context, by_filter, inputs) == []
    assert stored_rows() == before
