# SPDX-License-Identifier: Apache-2.0
"""Valid objects of any registered class in which every field is set."""

import datetime

from oslo_versionedobjects import base as ovo

import watcher_objects
from watcher_objects import base, fields, testing
from watcher_objects.db import models

watcher_objects.register_all()

#: The classes, those that others refer to first.
CLASSES = sorted(
    (
        versions[0]
        for versions in ovo.VersionedObjectRegistry.obj_classes().values()
        if issubclass(versions[0], base.WatcherPersistentObject)
    ),
    key=lambda cls: models.metadata.sorted_tables.index(cls.table),
)
MOMENT = datetime.datetime(2026, 11, 22, 20, 28, 41, 123456, tzinfo=datetime.UTC)
SAMPLES = {
    fields.BooleanField: True,
    fields.DateTimeField: MOMENT,
    fields.FlexibleDictField: {"host": {"cpu": [0.5, 1]}},
    fields.FlexibleListOfDictField: [{"compute": ["node-1"]}],
    fields.DictField: {"resource": {"ids": [1, None]}},
    fields.ListOfStringsField: ["parent"],
    fields.NumericField: 0.1,
}


class Filled(testing.Factory):
    """A factory that sets every field that an object's maker may set."""

    def needed(self, cls):
        unset = {"id", "uuid", "created_at", "updated_at", "deleted_at"}
        return cls.fields.keys() & set(cls.table.columns.keys()) - unset

    def value(self, cls, name):
        if name == "state":
            return cls.table.info["state_machine"].INITIAL
        if cls.table.columns[name].foreign_keys:
            return super().value(cls, name)
        return SAMPLES.get(type(cls.fields[name])) or super().value(cls, name)


_filled = Filled()


def forget_owners():
    """Make new related objects from here on."""
    global _filled  # noqa: PLW0603 - one factory for a whole test
    _filled = Filled()


def built(cls, context, **given):
    """Return an object with every field set that its maker may set; it is not stored."""
    return _filled.build(cls, context, **given)


def stored(cls, context, **given):
    """Return a stored object."""
    return _filled.create(cls, context, **given)
