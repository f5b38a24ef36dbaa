# SPDX-License-Identifier: Apache-2.0
"""The fields of all classes, and of which kind each is, by its type and its column."""

import sqlalchemy as sa
from oslo_versionedobjects import fields as ovo

from tests import factory
from tests.boundary_values import documents, kinds
from tests.boundary_values.kinds import optional, required
from tests.boundary_values.verdicts import Read, Refusal, rule
from watcher_objects import exception, fields
from watcher_objects.db.sql.filters import target
from watcher_objects.persistence.registry import class_of

_NO_PLAN_STATE = (
    "Unknown state None; expected one of RECOMMENDED, PENDING, ONGOING, CANCELLING, SUCCEEDED, "
    "FAILED, "
    "CANCELLED, SUPERSEDED, DELETED"
)
_NO_ACTION_STATE = (
    "Unknown state None; expected one of PENDING, ONGOING, CANCELLING, SUCCEEDED, FAILED, "
    "SKIPPED, "
    "CANCELLED, DELETED"
)

#: What create() takes besides, and save() does not.
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
#: Fields that take other values than their types and columns say.
_SPECIAL = {
    ("Audit", "state"): required(
        kinds.state("PENDING", "ONGOING, SUSPENDED, SUCCEEDED, FAILED, CANCELLED, DELETED")
    ),
    ("Audit", "interval"): optional(kinds.INTERVAL),
    ("ActionPlan", "state"): [
        *kinds.state(
            "RECOMMENDED",
            "PENDING, ONGOING, CANCELLING, SUCCEEDED, FAILED, CANCELLED, SUPERSEDED, DELETED",
        ),
        (None, Refusal(exception.InvalidState, _NO_PLAN_STATE, by_filters=False)),
    ],
    ("Action", "state"): [
        *kinds.state(
            "PENDING", "ONGOING, CANCELLING, SUCCEEDED, FAILED, SKIPPED, CANCELLED, DELETED"
        ),
        (None, Refusal(exception.InvalidState, _NO_ACTION_STATE, by_filters=False)),
    ],
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
