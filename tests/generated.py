# SPDX-License-Identifier: Apache-2.0
"""Objects of any class, and primitives of any of their versions, for hypothesis to choose from."""

import datetime
import json
from pathlib import Path

from hypothesis import strategies as st
from oslo_context.context import RequestContext

from tests import factory
from watcher_objects import fields
from watcher_objects.versions import history

#: What each version of each object has, as Watcher's own releases say.
KNOWN = json.loads((Path(__file__).parent / "data/watcher_versions.json").read_text())
TIMES = {"created_at", "updated_at", "deleted_at"}
BY_NAME = {cls.obj_name(): cls for cls in factory.CLASSES}

texts = st.text(max_size=20)
numbers = st.integers(1, 2**31 - 1)
times = st.datetimes(
    datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC)
)
documents = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
dicts = st.dictionaries(texts, documents, max_size=3)
VALUES = {
    fields.IntegerField: numbers,
    fields.UUIDField: st.uuids().map(str),
    fields.StringField: texts,
    fields.BooleanField: st.booleans(),
    fields.DateTimeField: times,
    fields.FlexibleDictField: dicts,
    fields.FlexibleListOfDictField: st.lists(dicts, max_size=3),
    fields.DictField: dicts,
    fields.ListOfStringsField: st.lists(texts, max_size=3),
    fields.NumericField: st.floats(allow_nan=False, allow_infinity=False),
}
#: What only some values of a field have an older form of.
OLDER = {
    ("Audit", "interval"): st.integers(0, 10**9).map(str),
    ("ActionPlan", "global_efficacy"): st.lists(dicts, max_size=1),
}
context = RequestContext()


@st.composite
def objects(draw, cls, filled=True, eager=True):
    """An object that is not stored; all its fields are set, or some, and it is as if loaded."""
    names = sorted(cls.fields.keys() - cls.object_fields.keys())
    chosen = names if filled else draw(st.lists(st.sampled_from(names), unique=True))
    values = {name: draw(value_of(cls, name)) for name in chosen}
    obj = cls(context, **values)
    if eager and filled:
        for name, (related, _) in cls.object_fields.items():
            setattr(obj, name, draw(objects(related)))
    obj.obj_reset_changes(recursive=True)
    return obj


def value_of(cls, name):
    """A value of a field that can be serialized in every version that has the field."""
    field = cls.fields[name]
    known = next(VALUES[kind] for kind in type(field).__mro__ if kind in VALUES)
    found = OLDER.get((cls.obj_name(), name), known)
    return st.none() | found if field.nullable else found


def fields_at(cls, version):
    """The fields that a version of a class had: as Watcher said, or else as the history does."""
    known = KNOWN["fields"].get(cls.obj_name(), {})
    if version in known:
        return TIMES | set(known[version])
    later = history.since(cls.history, version)
    return cls.fields.keys() - {change.field for change in later}
