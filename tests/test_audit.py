# SPDX-License-Identifier: Apache-2.0
"""What is special about an audit, and what objects do with documents, relations and times."""

import json
import pickle

import pytest

from tests import factory
from watcher_objects import Audit, Goal, Strategy, base, db, exception, fields
from watcher_objects.db import models


@pytest.fixture
def audit(sqlite, context):
    return factory.stored(Audit, context)


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
def test_a_change_that_python_calls_equal_is_a_change(sqlite, context, was, now):
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


def test_an_equal_document_is_not_a_change(audit):
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


def test_a_field_that_was_deleted_is_not_a_change(audit, context):
    audit.hostname = "node-2"
    del audit.hostname
    audit.save()
    assert Audit.get(context, audit.id).hostname != "node-2"
    with pytest.raises(exception.ReadOnlyField, match="id"):
        del audit.id


def test_a_subclass_may_have_fields_that_are_no_columns(sqlite, context):
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


def test_relations_without_a_row_are_none(sqlite, context):
    audit = factory.stored(Audit, context, strategy_id=None)
    assert audit.strategy is None
    eager = Audit.get(context, audit.id, eager=True)
    assert eager.strategy is None
    assert eager.goal is not None


def test_a_related_object_is_loaded_although_it_is_deleted(audit, context):
    audit.goal.soft_delete()
    assert Audit.get(context, audit.id).goal.deleted_at is not None
    assert Audit.get(context, audit.id, eager=True).goal.deleted_at is not None


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
