# SPDX-License-Identifier: Apache-2.0
"""What every registered class does, on every database and with every driver."""

import copy
import inspect
import re

import pytest
import sqlalchemy as sa
from oslo_versionedobjects import exception as ovo_exception

from tests import factory, servers
from watcher_objects import db, exception
from watcher_objects.states import State
from watcher_objects.testing.database import upgraded

NOBODY = "a7bb6f0c-0e0b-4a4d-a3c3-3c8a0f2cfb5f"
VERBS = {"create", "get", "get_by_id", "list", "refresh", "save", "soft_delete", "destroy"}


@pytest.fixture(scope="session", params=(*servers.KINDS, servers.MYSQLCLIENT))
def shared_url(request, database_urls):
    """The URL of a database, one of each kind and one with MariaDB's second driver."""
    return database_urls(request.param)


@pytest.fixture(scope="session")
def url(shared_url):
    """Its URL, with our schema; pytest would keep that of other modules for them."""
    return upgraded(shared_url)


@pytest.fixture(params=factory.CLASSES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def deletable(obj):
    """Bring an object to where it may be soft-deleted."""
    if moves := obj.table.info["state_machine"]:
        with db.get_engine().connect() as connection:
            state = min(s for s, to in moves.TRANSITIONS.items() if State.DELETED in to)
            mine = obj.table.update().where(obj.table.c.id == obj.id)
            connection.execute(mine.values(state=state))
        obj.refresh()
    return obj


def text_field(cls):
    """A text that is not unique by itself."""
    some = ("display_name", "description", "status_message", "host")
    return next(name for name in some if name in cls.fields)


def unique_fields(obj, with_deleted):
    """For each unique key, the object's values of its fields."""
    keys = [k.columns for k in obj.table.constraints if isinstance(k, sa.UniqueConstraint)]
    named = [{column.name for column in key} for key in keys]
    fitting = [names for names in named if with_deleted or "deleted" not in names]
    return [{name: obj[name] for name in names - {"deleted"}} for names in fitting]


def values_of(obj):
    return {name: obj[name] for name in obj.fields if name not in obj.object_fields}


def test_every_column_but_the_mark_of_deletion_is_a_field(cls):
    internal = {"copy_of", "internal"}
    columns = {c.name for c in cls.table.columns if not internal & c.info.keys()} - {"deleted"}
    assert columns == cls.fields.keys() - cls.object_fields.keys()


def test_every_verb_is_remotable_and_documented(cls):
    for verb in VERBS:
        method = getattr(cls, verb)
        assert method.remotable
        for parameter in inspect.signature(method.original_fn).parameters.keys() - {"self", "cls"}:
            assert f":param {parameter}:" in method.__doc__ or ":meth:`get`" in method.__doc__


def test_a_created_object_is_its_row_and_clean(cls, database, context):
    obj = factory.built(cls, context)
    set_before = {name: obj[name] for name in obj}
    obj.create()
    assert obj.obj_what_changed() == set()
    assert set_before.items() <= values_of(obj).items()
    assert obj == cls.get(context, obj.id)
    assert obj.created_at.tzinfo is not None
    assert obj.updated_at is obj.deleted_at is None


def test_it_is_found_by_each_of_its_names(cls, database, context):
    obj = factory.stored(cls, context)
    assert cls.get(context, obj.id) == obj
    assert cls.get(context, str(obj.id)) == obj
    assert cls.get_by_id(context, obj.id) == obj
    assert hasattr(cls, "get_by_uuid") is ("uuid" in cls.fields)
    assert hasattr(cls, "get_by_name") is ("name" in cls.fields)
    if "uuid" in cls.fields:
        assert cls.get(context, obj.uuid) == obj
        assert cls.get_by_uuid(context, obj.uuid.upper()) == obj
    if "name" in cls.fields:
        assert cls.get_by_name(context, obj.name) == obj


def test_a_taken_unique_key_is_refused_and_nothing_is_stored(cls, database, context):
    obj = factory.stored(cls, context)
    for same in [*unique_fields(obj, with_deleted=True), {"id": obj.id}]:
        with pytest.raises(cls.already_exists) as caught:
            factory.stored(cls, context, **same)
        assert all(str(value) in str(caught.value) for value in same.values())
        assert set(caught.value.fields) == same.keys()
    assert cls.list(context) == [obj]


def test_ids_continue_after_one_that_was_given(cls, database, context):
    first = factory.stored(cls, context)
    given = factory.stored(cls, context, id=first.id + 2)
    later = [factory.stored(cls, context) for _ in range(3)]
    assert given.id == first.id + 2
    assert cls.list(context) == [first, given, *later]


def test_a_required_field_must_be_given(cls, sqlite, context):
    for name, field in cls.fields.items():
        if field.nullable or name in {"id", "uuid", "state", "force", "auto_trigger"}:
            continue
        obj = factory.built(cls, context)
        delattr(obj, name)
        obj._changed_fields.discard(name)
        with pytest.raises(exception.InvalidValue, match=name):
            obj.create()
    assert cls.list(context) == []


def test_save_writes_the_changed_columns_only(cls, database, context, statements):
    obj, other = factory.stored(cls, context), text_field(cls)
    setattr(obj, other, "changed")
    statements.clear()
    obj.save()
    written = re.search("SET (.*) WHERE", statements[0]).group(1)
    assert set(re.findall(r"(\w+) ?=", written)) == {other, "updated_at"}
    assert len(statements) == (2 if database == "mysql" else 1)
    assert obj.obj_what_changed() == set()
    assert obj == cls.get(context, obj.id)
    assert obj.updated_at >= obj.created_at


def test_a_row_without_what_it_need_not_have_is_clean(cls, sqlite, context):
    sparse = {n: None for n, field in cls.fields.items() if field.nullable and n in cls.table.c}
    sparse = {name: value for name, value in sparse.items() if not name.endswith("_at")}
    kept = {"action_type", *(["state"] if cls.table.info["state_machine"] else [])}
    obj = factory.stored(cls, context, **{n: None for n in sparse if n not in kept})
    assert obj.obj_what_changed() == set()
    assert cls.get(context, obj.id).obj_what_changed() == set()


def test_save_of_nothing_writes_nothing(cls, sqlite, context, statements):
    obj = factory.stored(cls, context)
    statements.clear()
    obj.save()
    assert statements == []


def test_refresh_makes_the_object_its_row_and_clean(cls, sqlite, context):
    obj, other = factory.stored(cls, context), text_field(cls)
    stale = cls.get(context, obj.id)
    setattr(obj, other, "changed")
    obj.save()
    setattr(stale, other, "never saved")
    stale.refresh()
    assert stale == obj
    assert stale.obj_what_changed() == set()
    assert stale.old_state == obj.old_state


def test_a_soft_deleted_object_is_out_of_sight_and_takes_no_write(
    cls, database, context, show_deleted_context
):
    obj, other = deletable(factory.stored(cls, context)), text_field(cls)
    stale = cls.get(context, obj.id)
    obj.soft_delete()
    assert obj.deleted_at is not None
    assert obj.obj_what_changed() == set()
    assert obj == cls.get(show_deleted_context, obj.id)
    assert cls.list(context) == []
    assert cls.list(show_deleted_context) == [obj]
    setattr(stale, other, "too late")
    for write in (stale.save, stale.soft_delete, stale.refresh):
        with pytest.raises(cls.not_found, match=str(next(iter(obj._key().values())))):
            write()
    assert cls.list(show_deleted_context) == [obj]


def test_the_name_of_a_deleted_object_is_free(cls, database, context, show_deleted_context):
    first = deletable(factory.stored(cls, context))
    kept = unique_fields(first, with_deleted=False)
    first.soft_delete()
    for same in unique_fields(first, with_deleted=True):
        if same in kept:
            with pytest.raises(cls.already_exists):
                factory.stored(cls, context, **same)
            continue
        second = factory.stored(cls, context, **same)
        assert cls.get_by_name(context, first.name) == second
        assert cls.get_by_name(show_deleted_context, first.name) == second


def test_destroy_removes_the_row(cls, database, context, show_deleted_context):
    obj = factory.stored(cls, context)
    obj.destroy()
    assert cls.list(show_deleted_context) == []
    for gone in (obj.destroy, obj.refresh):
        with pytest.raises(cls.not_found):
            gone()


def test_destroy_of_a_row_that_others_refer_to_is_refused(cls, database, context):
    obj = factory.stored(cls, context)
    for related, key in obj.object_fields.values():
        if not cls.table.columns[key].info["owned"]:
            owner = related.get(context, obj[key])
            with pytest.raises(related.referenced, match=owner.uuid):
                owner.destroy()
    assert cls.get(context, obj.id) == obj


def test_a_list_has_the_related_objects_that_are_asked_for(cls, database, context):
    objects = [factory.stored(cls, context) for _ in range(3)]
    for eager in (False, True):
        found = cls.list(context, eager=eager)
        assert found == objects
        for obj in found:
            for name, (_, key) in cls.object_fields.items():
                assert obj.obj_attr_is_set(name) is eager
                assert obj[name].id == obj[key]


def test_a_related_object_loads_itself_once(cls, sqlite, context, statements):
    obj = factory.stored(cls, context)
    for name, (_, key) in cls.object_fields.items():
        statements.clear()
        assert obj[name].id == obj[key]
        assert obj[name] is obj[name]
        assert len(statements) == 1
    assert obj.obj_what_changed() == set()


def test_an_orphan_can_do_nothing_and_says_so(cls, sqlite, context):
    obj = factory.stored(cls, context)
    obj._context = None
    actions = [obj.save, obj.refresh, obj.soft_delete, obj.destroy, obj.create]
    actions += [lambda name=name: obj[name] for name in cls.object_fields]
    for action in actions:
        with pytest.raises(ovo_exception.OrphanedObjectError):
            action()


def test_any_context_with_show_deleted_will_do(cls, sqlite):
    class Caller:
        show_deleted = False

    obj = deletable(factory.stored(cls, Caller()))
    obj.soft_delete()
    with pytest.raises(cls.not_found):
        cls.get(Caller(), obj.id)
    Caller.show_deleted = True
    assert cls.get(Caller(), obj.id) == cls.list(Caller())[0] == obj
    obj.refresh()


def test_what_is_stored_can_not_be_changed_by_hand(cls, sqlite, context):
    obj = factory.stored(cls, context)
    before = values_of(obj)
    times = dict.fromkeys(("created_at", "updated_at", "deleted_at"), factory.MOMENT)
    for name, value in {"id": 99, "uuid": NOBODY, **times}.items():
        if name not in cls.fields:
            continue
        with pytest.raises(exception.ReadOnlyField, match=name):
            setattr(obj, name, value)
        setattr(obj, name, before[name])
        obj.obj_reset_changes()
        forged = cls.obj_from_primitive(obj.obj_to_primitive(), context)
        forged._changed_fields = {name}
        with pytest.raises(exception.ReadOnlyField, match=name):
            forged.save()
    assert values_of(obj) == before


def test_an_unknown_name_is_refused_and_the_nearest_is_named(cls, context):
    with pytest.raises(exception.UnknownField, match="the nearest is created_at"):
        cls(context, create_at=factory.MOMENT)
    with pytest.raises(AttributeError, match="created_at"):
        cls(context).createdat = factory.MOMENT
    with pytest.raises(exception.FieldNotSet, match="id of this"):
        cls(context).id  # noqa: B018 - reading is what is tested


def test_equal_fields_make_equal_objects(cls, sqlite, context):
    obj = factory.stored(cls, context)
    same = cls.get(context, obj.id, eager=True)
    assert obj == same
    assert hash(obj) == hash(same)
    assert obj == copy.deepcopy(obj) == obj.obj_clone()
    setattr(same, text_field(cls), "other")
    assert obj != same
    assert obj != values_of(obj)


def test_repr_shows_who_it_is_and_nothing_else(cls, sqlite, context):
    obj = factory.stored(cls, context)
    output = [f"{n}={obj[n]}" for n in ("id", "uuid", "state") if n in cls.fields]
    assert repr(obj) == f"{cls.__name__}({', '.join(output)})"
    assert repr(cls(context)).startswith(f"{cls.__name__}(id=?")


def test_a_primitive_of_it_reads_back_as_itself(cls, sqlite, context):
    obj = factory.stored(cls, context)
    for eager in (False, True):
        loaded = cls.get(context, obj.id, eager=eager)
        setattr(loaded, text_field(cls), "dirty")
        read = cls.obj_from_primitive(loaded.obj_to_primitive(), context)
        assert read == loaded
        assert read.obj_what_changed() == {text_field(cls)}


def test_every_write_is_published_once(cls, sqlite, context, published):
    obj = factory.stored(cls, context)
    setattr(obj, text_field(cls), "changed")
    obj.save()
    deletable(obj).soft_delete()
    obj.destroy()
    mine = [event for event in published if event.obj is obj]
    assert [event.kind for event in mine] == ["create", "update", "delete", "destroy"]
    assert {(event.resource, event.context) for event in mine} == {(cls.resource, context)}
