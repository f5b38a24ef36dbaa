# SPDX-License-Identifier: Apache-2.0
"""Which names an entity may give to its fields."""

import contextlib

import pytest
import sqlalchemy as sa
from oslo_versionedobjects import fixture

from watcher_objects import Goal, base, db, exception, fields
from watcher_objects.db.backend import database as backend

#: Names of private methods, some of which were kept where the value of such a field is.
NAMES = [
    name.removeprefix("_")
    for name in dir(Goal)
    if name.startswith("_") and not hasattr(Goal, name.lstrip("_"))
    if not name.startswith(("__", "_obj_"))
]
NAMES += ["key", "find", "left", "made", "none", "page", "place", "read", "state_machine"]
NAMES += ["publish", "value", "row"]
#: Names that are attributes of each object, or where it keeps something.
TAKEN = ["list", "save", "fields", "obj_context", "VERSION", "table", "related", "primitive_key"]


def entity(names):
    texts = {name: sa.Column(name, sa.String(12)) for name in names}
    made = sa.Table(
        "shelves",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("deleted", sa.Integer),
        *(sa.Column(name, sa.DateTime) for name in ("created_at", "updated_at", "deleted_at")),
        *texts.values(),
        info={"state_machine": None},
        mysql_engine="InnoDB",
    )

    @base.WatcherObjectRegistry.register
    class Shelf(base.Identified, base.WatcherPersistentObject):
        fields = {
            "id": fields.IntegerField(),
            "uuid": fields.UUIDField(),
            **{name: fields.StringField(nullable=True) for name in texts},
        }
        table, resource, not_found = made, "shelf", exception.ResourceNotFound

    return Shelf


@pytest.fixture
def shelf(sqlite):
    with fixture.VersionedObjectRegistryFixture():
        made = entity(NAMES)
        made.table.create(backend.get_engine())
        yield made
        made.table.drop(backend.get_engine())


def test_a_field_may_have_the_name_of_a_private_method(shelf, context):
    values = {name: name[:12] for name in NAMES}
    made = shelf(context, **values)
    made.create()
    other = shelf(context, **values)
    other.create()
    assert shelf.get(context, made.uuid) == made
    assert shelf.list(context, limit=1, marker=made, sort_key="key") == [other]
    assert shelf.list(context, filters={"key": "key", "place__neq": "x"}) == [made, other]
    assert shelf.obj_from_primitive(made.obj_to_primitive()) == made
    for name in NAMES:
        setattr(made, name, "changed")
    assert made.obj_what_changed() == set(NAMES)
    copied = made.obj_clone()
    with contextlib.suppress(RuntimeError), db.transaction():
        made.save()
        raise RuntimeError
    assert made.obj_what_changed() == set(NAMES)
    copied.save()
    made.refresh()
    assert {made[name] for name in NAMES} == {"changed"}
    made.soft_delete()
    other.destroy()
    assert shelf.list(context) == []


@pytest.mark.parametrize("name", TAKEN)
def test_a_field_may_not_have_the_name_of_an_attribute(name):
    with fixture.VersionedObjectRegistryFixture(), pytest.raises(TypeError, match=name):
        entity([name])
