# SPDX-License-Identifier: Apache-2.0
"""What is special about an audit, and what objects do with documents, relations and times."""

import datetime
import json
import pickle
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from oslo_context.context import RequestContext
from oslo_versionedobjects import fixture

from tests import factory
from watcher_objects import Audit, Goal, Strategy, base, db, exception, fields
from watcher_objects.db import models
from watcher_objects.versions import history

FINGERPRINT = "1.8-9cadb11a1fbe7200fb32891b37672a62"
TIMES = ("next_run_time", "start_time", "end_time")


@pytest.fixture
def audit(database, context):
    return factory.stored(Audit, context)


def test_its_fingerprint_is_the_one_that_watcher_knows():
    hashes = fixture.ObjectVersionChecker({"Audit": [Audit]}).get_hashes()
    # Watcher knows no later version.
    assert "1.8" in Audit.history
    assert Audit.VERSION != "1.8" or hashes == {"Audit": FINGERPRINT}


def test_it_stands_on_the_named_bases():
    named = (base.WatcherPersistentObject, base.WatcherObject, base.WatcherObjectDictCompat)
    assert issubclass(Audit, named[0])
    assert issubclass(Audit, named[1])
    assert issubclass(Audit, named[2])
    known = {Audit: "1.8", Goal: "1.0", Strategy: "1.1"}
    assert [cls for cls, version in known.items() if version not in cls.history] == []


def test_a_change_inside_a_document_is_noticed_and_saved(audit, context):
    audit.parameters["host"]["cpu"].append(7)
    audit.scope[0]["compute"] = []
    assert audit.obj_what_changed() == {"parameters", "scope"}
    audit.save()
    found = Audit.get(context, audit.id)
    assert found.parameters == {"host": {"cpu": [0.5, 1, 7]}}
    assert found.scope == [{"compute": []}]
    assert audit.obj_what_changed() == set()


@pytest.mark.parametrize(("was", "now"), [(True, 1), (1, 1.0), (0, False), ({}, []), ("1", 1)])
def test_a_change_that_python_calls_equal_is_a_change(database, context, was, now):
    audit = factory.stored(Audit, context, parameters={"inside": was})
    audit.parameters["inside"] = now
    audit.save()
    found = Audit.get(context, audit.id).parameters["inside"]
    assert (found, type(found)) == (now, type(now))


def test_a_change_inside_a_document_of_a_received_object_is_noticed(audit, context):
    received = Audit.obj_from_primitive(audit.obj_to_primitive(), context)
    received.parameters["host"]["cpu"].append(7)
    assert received.obj_what_changed() == {"parameters"}
    assert received.obj_to_primitive()["watcher_object.changes"] == ["parameters"]
    received.save()
    audit.refresh()
    assert audit.parameters == received.parameters


def test_a_document_that_can_not_be_stored_is_received_and_refused_by_save(audit, context):
    deep = []
    for _ in range(20_000):
        deep = [deep]
    primitive = audit.obj_to_primitive()
    primitive["watcher_object.data"]["scope"] = deep
    primitive["watcher_object.changes"] = ["scope"]
    received = Audit.obj_from_primitive(primitive, context)
    with pytest.raises(exception.InvalidValue, match="scope takes at most 100 levels"):
        received.save()


def test_an_equal_document_is_no_change(audit):
    audit.parameters = json.loads(json.dumps(audit.parameters))
    assert audit.obj_what_changed() == set()


def test_a_failed_save_leaves_the_object_dirty_and_as_it_was(audit, context):
    taken = factory.stored(Audit, context)
    before, old = dict(audit.items()), audit.name
    audit.name, audit.hostname = taken.name, "node-2"
    with pytest.raises(exception.AuditAlreadyExists, match=taken.name):
        audit.save()
    assert audit.obj_what_changed() == {"name", "hostname"}
    assert dict(audit.items()) == before | {"name": taken.name, "hostname": "node-2"}
    audit.name = old
    audit.save()
    assert Audit.get(context, audit.id).hostname == "node-2"


def test_two_handles_that_change_different_fields_lose_nothing(audit, context):
    other = Audit.get(context, audit.id)
    audit.hostname = "node-2"
    audit.save()
    other.status_message = "seen"
    other.save()
    audit.refresh()
    assert (audit.hostname, audit.status_message) == ("node-2", "seen")
    assert other == audit


def test_old_state_is_that_of_the_last_change_of_state(audit):
    assert audit.old_state is None
    audit.state = "ONGOING"
    assert audit.old_state is None
    audit.save()
    assert audit.old_state == "PENDING"
    audit.hostname = "node-2"
    audit.save()
    assert audit.old_state == "PENDING"
    audit.refresh()
    assert audit.old_state == "PENDING"


def test_assigning_a_goal_sets_its_id(audit, context):
    goal = factory.stored(Goal, context)
    audit.goal = goal
    assert audit.goal_id == goal.id
    audit.save()
    assert Audit.get(context, audit.id).goal_id == goal.id
    assert audit.goal is goal


def test_assigning_an_id_forgets_the_related_object_that_it_does_not_mean(audit, context):
    assert audit.strategy is not None
    other = factory.stored(Strategy, context)
    audit.strategy_id = other.id
    assert audit.strategy == other
    audit.strategy = None
    assert audit.strategy_id is None
    audit.save()
    assert audit.strategy is None


def test_what_changed_in_a_related_object_is_that_objects_to_save(audit, context):
    audit.goal.display_name = "changed"
    assert audit.obj_what_changed() == set()
    audit.hostname = "node-2"
    audit.save()
    assert audit.goal.obj_what_changed() == {"display_name"}


def test_a_field_that_was_deleted_is_no_change(audit, context):
    audit.hostname = "node-2"
    del audit.hostname
    audit.save()
    assert Audit.get(context, audit.id).hostname != "node-2"
    with pytest.raises(exception.ReadOnlyField, match="id"):
        del audit.id


def test_only_fields_may_be_given_or_assigned(context):
    for name in ("states", "table", "save", "old_state", "fields", "_stored", "VERSION"):
        with pytest.raises(exception.UnknownField, match=name):
            Audit(context, **{name: None})
    for name in ("states", "table", "save", "initial"):
        with pytest.raises(exception.UnknownField, match=name):
            setattr(Audit(context), name, None)


def test_a_subclass_may_have_fields_that_are_no_columns(database, context):
    @base.WatcherObjectRegistry.register_if(False)
    class Watched(Audit):
        fields = {"watchers": fields.IntegerField(nullable=True)}

    audit = factory.built(Watched, context, watchers=3)
    audit.create()
    audit.watchers, audit.hostname = 4, "node-2"
    audit.save()
    found = Watched.get(context, audit.id)
    assert (found.hostname, found.obj_attr_is_set("watchers")) == ("node-2", False)


def test_objects_survive_pickle(audit, context):
    for obj in (audit, factory.built(Audit, context), audit.obj_clone()):
        obj._context = None
        again = pickle.loads(pickle.dumps(obj))  # noqa: S301 - our own
        assert again == obj
        assert again.obj_what_changed() == obj.obj_what_changed()


def test_a_goal_that_is_not_stored_can_not_be_assigned(audit, context):
    before = audit.goal_id
    with pytest.raises(exception.FieldNotSet, match="id of this Goal"):
        audit.goal = Goal(context, name="new")
    with pytest.raises(exception.InvalidValue, match="goal_id must have a value"):
        audit.goal = None
    for other in (audit.strategy, 5, "goal"):
        with pytest.raises(exception.InvalidValue, match="goal takes a Goal"):
            audit.goal = other
    assert (audit.goal_id, audit.obj_what_changed()) == (before, set())


def test_relations_without_a_row_are_none(database, context):
    audit = factory.stored(Audit, context, strategy_id=None)
    assert audit.strategy is None
    eager = Audit.get(context, audit.id, eager=True)
    assert eager.strategy is None
    assert eager.goal is not None


def test_a_related_object_is_loaded_although_it_is_deleted(audit, context):
    audit.goal.soft_delete()
    assert Audit.get(context, audit.id).goal.deleted_at is not None
    assert Audit.get(context, audit.id, eager=True).goal.deleted_at is not None


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kathmandu"])
def test_times_of_any_zone_come_out_in_utc_with_their_microseconds(database, context, zone):
    local = factory.MOMENT.astimezone(ZoneInfo(zone))
    given = dict.fromkeys(TIMES, local)
    audit = factory.stored(Audit, context, created_at=local, **given)
    found = Audit.get(context, audit.id)
    assert all(found[name] == factory.MOMENT.replace(tzinfo=None) for name in TIMES)
    assert found.created_at == factory.MOMENT
    assert found.created_at.utcoffset() == datetime.timedelta(0)
    assert Audit.list(context, filters={"start_time": local}) == [audit]
    assert Audit.list(context, filters={"start_time__gt": local}) == []


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00", "1000-01-01T00:00:00.000001", "9999-12-31T23:59:59.999999"]
)
def test_the_first_and_the_last_time_are_kept(database, context, moment):
    audit = factory.stored(Audit, context, next_run_time=moment)
    found = Audit.get(context, audit.id)
    assert found.next_run_time == datetime.datetime.fromisoformat(moment)


def test_text_is_kept_exactly_and_found_exactly(database, context):
    names = ["Ä", "ä", "A", "a", "a ", "😀", "é", "e\u0301", "", "%", "'\"\\"]
    for name in names:
        factory.stored(Audit, context, name=name)
    for name in names:
        assert Audit.get_by_name(context, name).name == name
        assert [a.name for a in Audit.list(context, filters={"name": name})] == [name]


def test_destroy_is_refused_while_an_action_plan_refers_to_it(audit, context):
    plan = {"audit_id": audit.id, "strategy_id": audit.strategy_id, "deleted": 1}
    with db.get_engine().connect() as connection:
        connection.execute(models.action_plans.insert().values(**plan))
    with pytest.raises(exception.AuditReferenced, match=audit.uuid):
        audit.destroy()
    assert Audit.get(context, audit.id) == audit


def test_a_row_that_can_not_be_loaded_is_named(audit, context):
    with db.get_engine().connect() as connection:
        connection.execute(models.audits.update().values(name=None))
    with pytest.raises(exception.DatabaseError, match=f"row {audit.id} of audits .* name"):
        Audit.list(context)


def test_it_reads_what_watcher_17_wrote():
    # Made by Watcher 17's own classes: an audit with every field set, clean and dirty.
    written = json.loads((Path(__file__).parent / "data/watcher17.json").read_text())
    later = {change.field for change in history.since(Audit.history, "1.8")}
    for primitive in written["primitives"]:
        read = Audit.obj_from_primitive(primitive, RequestContext())
        changes = set(primitive.get("watcher_object.changes", ()))
        assert read.obj_what_changed() - later == changes
        for name, value in primitive["watcher_object.data"].items():
            if name in Audit.object_fields:
                assert read[name].obj_to_primitive() == value
            else:
                assert Audit.fields[name].to_primitive(read, name, read[name]) == value
        assert read.obj_to_primitive("1.8").keys() == primitive.keys()
