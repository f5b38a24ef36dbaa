# SPDX-License-Identifier: Apache-2.0
"""Valid objects of any registered class, made from its declaration alone."""

import datetime
import itertools

from oslo_versionedobjects import base as ovo

import watcher_objects
from watcher_objects import base, fields

watcher_objects.register_all()

CLASSES = [
    versions[0]
    for versions in ovo.VersionedObjectRegistry.obj_classes().values()
    if issubclass(versions[0], base.WatcherPersistentObject)
]
MOMENT = datetime.datetime(2026, 11, 22, 20, 28, 41, 123456, tzinfo=datetime.UTC)

_counter = itertools.count(1)
_owners = {}


def forget_owners():
    """Make new related objects from here on."""
    _owners.clear()


def built(cls, context, **given):
    """Return an object with every field set that its maker may set; it is not stored."""
    values = {name: _value(cls, name, context) for name in _settable(cls) if name not in given}
    return cls(context, **values, **given)


def stored(cls, context, **given):
    """Return a stored object."""
    obj = built(cls, context, **given)
    obj.create()
    return obj


def _settable(cls):
    unset = {"id", "uuid", "created_at", "updated_at", "deleted_at"}
    return cls.fields.keys() & set(cls.table.columns.keys()) - unset


def _value(cls, name, context):
    column = cls.table.columns[name]
    if column.foreign_keys:
        return _owner(column, context).id
    if name == "state":
        return cls.table.info["moves"].INITIAL
    if name == "audit_type":
        return "ONESHOT"
    kind = type(cls.fields[name])
    if kind is fields.StringField:
        return f"{name}-{next(_counter)}"[-(column.type.length or 255) :]
    return {
        fields.BooleanField: True,
        fields.DateTimeField: MOMENT,
        fields.FlexibleDictField: {"host": {"cpu": [0.5, 1]}},
        fields.FlexibleListOfDictField: [{"compute": ["node-1"]}],
        fields.DictField: {"resource": {"ids": [1, None]}},
        fields.ListOfStringsField: ["parent"],
        fields.NumericField: 0.1,
    }[kind]


def _owner(column, context):
    """Return the stored object that all objects made here are related to."""
    (key,) = column.foreign_keys
    (cls,) = (c for c in CLASSES if c.table is key.column.table)
    if cls not in _owners:
        _owners[cls] = stored(cls, context)
    return _owners[cls]
