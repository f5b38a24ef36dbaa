# SPDX-License-Identifier: Apache-2.0
"""Objects that are stored together: as one by one, and in few statements."""

import contextlib

import pytest
from oslo_versionedobjects import exception as ovo_exception

from tests import factory
from watcher_objects import (
    Action,
    ActionPlan,
    Audit,
    EfficacyIndicator,
    Goal,
    db,
    exception,
)
from watcher_objects.db.sql import values


def built(cls, context, number):
    factory.stored(cls, context)  # whatever it is related to
    return [factory.built(cls, context) for _ in range(number)]


def test_they_are_stored_as_one_by_one(database, context, published):
    for cls in factory.CLASSES:
        objects = built(cls, context, 5)
        published.clear()
        cls.create_many(context, objects)
        assert cls.list(context)[-5:] == objects
        assert all(obj.obj_what_changed() == set() for obj in objects)
        assert [(event.kind, event.obj) for event in published] == [
            ("create", obj) for obj in objects
        ]
        assert all(event.obj is obj for event, obj in zip(published, objects, strict=True))
        for obj in objects:
            with pytest.raises(ovo_exception.ObjectActionError):
                obj.create()


@pytest.mark.parametrize("number", [2, 1000])
def test_they_are_stored_in_one_statement(database, context, statements, number):
    objects = built(Audit, context, number)
    statements.clear()
    Audit.create_many(context, objects)
    # SQLite may give an id again, which another's history has had.
    verbs = ["INSERT", "UPDATE", "INSERT"] if database == "sqlite" else ["INSERT", "INSERT"]
    assert [statement.split()[0] for statement in statements] == verbs
    assert [audit.id for audit in Audit.list(context)[1:]] == [audit.id for audit in objects]


def test_none_are_stored_in_none(sqlite, context, statements):
    Audit.create_many(context, [])
    assert statements == []


def test_each_may_have_other_fields_set(database, context):
    factory.stored(Audit, context)
    bare = {"audit_type": "ONESHOT", "goal_id": factory.stored(Goal, context).id}
    objects = [
        Audit(context, name="a", **bare),
        Audit(context, name="b", hostname="h", id=70, **bare),
        factory.built(Audit, context, name="c", uuid="8d3d5ed8-4a8b-4ad5-8e5b-d2ff0a4f9d2d"),
        Audit(context, name="d", parameters={"n": [1]}, **bare),
    ]
    Audit.create_many(context, objects)
    assert [Audit.get_by_name(context, name) for name in "abcd"] == objects
    assert {audit.state for audit in objects} == {"PENDING"}
    assert objects[1].id == 70
    assert len({audit.uuid for audit in objects}) == 4
    assert factory.stored(Audit, context).id not in [audit.id for audit in objects]


def test_long_documents_are_sent_in_several_statements(database, context, statements):
    document = {"text": "x" * (values.MAX_DOCUMENT - 100)}
    objects = [factory.built(Audit, context, parameters=document) for _ in range(4)]
    Audit.create_many(context, objects)
    assert sum("INSERT INTO audits" in statement for statement in statements) == 4
    assert Audit.list(context) == objects


#: What is done to the third of some objects, or to their list, and the error of that.
WRONGS = {
    "a value": (lambda objects: setattr(objects[2], "name", "x" * 64), exception.InvalidValue),
    "no value": (lambda objects: delattr(objects[2], "name"), exception.InvalidValue),
    "a name that is taken": (
        lambda objects: setattr(objects[2], "name", objects[0].name),
        exception.AuditAlreadyExists,
    ),
    "no goal": (lambda objects: setattr(objects[2], "goal_id", 4711), exception.GoalNotFound),
    "a state": (lambda objects: setattr(objects[2], "state", "BOGUS"), exception.InvalidState),
    "twice": (
        lambda objects: objects.__setitem__(2, objects[1]),
        ovo_exception.ObjectActionError,
    ),
    "another class": (
        lambda objects: objects.__setitem__(2, Goal(objects[1]._context, name="other")),
        exception.InvalidParameter,
    ),
    "stored": (lambda objects: objects[2].create(), ovo_exception.ObjectActionError),
}


@pytest.mark.parametrize("group", [contextlib.nullcontext, db.transaction])
@pytest.mark.parametrize(("spoil", "expected"), WRONGS.values(), ids=WRONGS)
def test_one_invalid_object_is_reported_by_its_index_and_none_is_stored(
    database, context, published, spoil, expected, group
):
    objects = built(Audit, context, 5)
    spoil(objects)
    before = [(obj.obj_what_changed(), dict(obj.items())) for obj in objects]
    stored = Audit.list(context)
    published.clear()
    with group(), pytest.raises(expected) as caught:
        Audit.create_many(context, objects)
    assert caught.value.index == 2
    assert str(caught.value).startswith("objects[2]: ")
    assert Audit.list(context) == stored
    assert published == []
    assert [(obj.obj_what_changed(), dict(obj.items())) for obj in objects] == before


def test_an_orphan_takes_the_context_that_is_given(sqlite, context):
    factory.stored(Goal, context)
    orphan = Goal(name="orphan", display_name="", efficacy_specification=[])
    Goal.create_many(context, [orphan])
    orphan.refresh()
    assert orphan.obj_context is context


def plan_of(context):
    """A plan with 50 actions and 5 indicators, unsaved; and what stores it."""
    plan = factory.built(ActionPlan, context)
    owned = [Action(context, action_type="nop", parents=[]) for _ in range(50)]
    owned += [EfficacyIndicator(context, name=f"indicator {n}", value=0.5) for n in range(5)]

    def store():
        with db.transaction():
            plan.create()
            for obj in owned:
                obj.action_plan_id = plan.id
            Action.create_many(context, owned[:50])
            for indicator in owned[50:]:
                indicator.create()

    return plan, owned, store


@pytest.mark.parametrize("place", [0, 49, 54])
def test_a_plan_with_all_that_it_owns_is_stored_as_one_or_not_at_all(
    database, context, published, place
):
    plan, owned, store = plan_of(context)
    wrong = owned[place]
    wrong.uuid = "7c4ab6b8-77a9-4b52-8a9e-bb2ff1f87f0c"
    factory.stored(type(wrong), context, uuid=wrong.uuid)
    before = ActionPlan.list(context)
    published.clear()
    with pytest.raises(wrong.already_exists):
        store()
    assert ActionPlan.list(context) == before
    assert published == []
    for obj in (plan, *owned):
        assert "id" not in obj
        assert obj.obj_what_changed() >= {"state"} if obj is plan else obj.obj_what_changed()
    wrong.uuid = "0f2f1ea1-4d8b-4a38-8c38-4f3b6e4d7ca9"
    store()
    mine = {"action_plan_id": plan.id}
    assert Action.list(context, filters=mine) == owned[:50]
    assert EfficacyIndicator.list(context, filters=mine) == owned[50:]
    assert [event.obj for event in published] == [plan, *owned]


def test_objects_may_come_from_anything_that_yields_them(sqlite, context):
    factory.stored(Goal, context)
    built_now = (factory.built(Goal, context) for _ in range(3))
    Goal.create_many(context, built_now)
    assert len(Goal.list(context)) == 4


def test_a_given_id_among_others_costs_one_more_statement(database, context, statements):
    objects = built(Goal, context, 50)
    objects[20].id = 900
    statements.clear()
    Goal.create_many(context, objects)
    assert sum(statement.startswith("INSERT") for statement in statements) == 2
    assert [Goal.get(context, goal.id) for goal in objects] == objects
