# SPDX-License-Identifier: Apache-2.0
"""What the other objects do that not all of them do."""

import datetime

import pytest
from oslo_utils import timeutils

from tests import factory
from tests.test_states import put
from watcher_objects import (
    Action,
    ActionDescription,
    ActionPlan,
    Audit,
    EfficacyIndicator,
    Goal,
    Service,
    db,
    exception,
)


@pytest.fixture
def chain(database, context):
    """Two audits, each with a plan, an action and an indicator."""
    chains = []
    for name in ("one", "two"):
        audit = factory.stored(Audit, context, name=name)
        plan = factory.stored(ActionPlan, context, audit_id=audit.id)
        action = factory.stored(Action, context, action_plan_id=plan.id, action_type=name)
        indicator = factory.stored(EfficacyIndicator, context, action_plan_id=plan.id, unit=name)
        chains.append((audit, plan, action, indicator))
    return chains


@pytest.mark.parametrize("cls", [Action, EfficacyIndicator])
def test_filters_reach_through_relations_at_any_distance(chain, context, cls):
    (audit, plan, *_), (_, other_plan, *_) = chain
    one, two = (next(obj for obj in link if isinstance(obj, cls)) for link in chain)
    for filters, expected in (
        ({"action_plan_uuid": plan.uuid}, [one]),
        ({"action_plan_audit_uuid": audit.uuid}, [one]),
        ({"action_plan_audit_name__in": ["one", "two"]}, [one, two]),
        ({"action_plan_audit_goal_name__neq": "none"}, [one, two]),
        ({"action_plan_audit_name__gt": "one", "action_plan_state": "RECOMMENDED"}, [two]),
        ({"action_plan_audit_name": "one", "action_plan_uuid": other_plan.uuid}, []),
        ({"action_plan_audit_strategy_name": None}, []),
    ):
        assert cls.list(context, filters=filters) == expected


def test_the_path_to_a_relation_may_be_left_out_where_it_is_clear(chain, context):
    for audit, plan, action, indicator in chain:
        assert Action.list(context, filters={"audit_uuid": audit.uuid}) == [action]
        assert Action.list(context, filters={"audit_name__eq": audit.name}) == [action]
        assert ActionPlan.list(
            context, filters={"goal_uuid": audit.goal.uuid, "audit_id": audit.id}
        ) == [plan]
        assert EfficacyIndicator.list(context, filters={"audit_uuid": audit.uuid}) == [indicator]


def test_watcher_reads_the_value_that_was_written_last(database, context):
    indicator = factory.stored(EfficacyIndicator, context, value=0.5)
    indicator.value = 0.75
    indicator.save()
    with db.get_engine().connect() as connection:
        row = connection.execute(indicator.table.select()).one()
    assert (row.value, row.data) == (0.75, 0.75)


def test_a_stale_action_without_documents_writes_none_over_anothers(sqlite, context):
    action = factory.stored(Action, context, input_parameters=None, parents=None)
    stale = Action.get(context, action.id)
    action.input_parameters, action.parents = {"x": 1}, ["q"]
    action.save()
    stale.state = "ONGOING"
    stale.save()
    assert (stale.input_parameters, stale.parents) == ({"x": 1}, ["q"])


def test_none_and_an_empty_document_of_an_action_are_two(sqlite, context):
    action = factory.stored(Action, context, input_parameters=None, parents=None)
    action.input_parameters, action.parents = {}, []
    assert action.obj_what_changed() == {"input_parameters", "parents"}
    action.save()
    found = Action.get(context, action.id)
    assert (found.input_parameters, found.parents) == ({}, [])


@pytest.mark.parametrize("wrong", [None, 1.5, True, {}, [1]])
def test_a_list_of_texts_takes_text_only(sqlite, context, wrong):
    action = factory.stored(Action, context, parents=["a"])
    action.parents.append(wrong)
    fresh = factory.built(Action, context)
    fresh.parents.append(wrong)
    for write in (action.save, fresh.create, lambda: Action.create_many(context, [fresh])):
        with pytest.raises(exception.InvalidValue, match=r"parents\[1\]"):
            write()
    assert [found.parents for found in Action.list(context)] == [["a"]]


def test_a_description_is_found_by_its_type(database, context, show_deleted_context):
    found = factory.stored(ActionDescription, context, action_type="nop")
    assert ActionDescription.get_by_type(context, "nop") == found
    with pytest.raises(exception.ActionDescriptionNotFound, match="sleep") as caught:
        ActionDescription.get_by_type(context, "sleep")
    assert caught.value.kwargs["action_id"] == "sleep"
    found.soft_delete()
    with pytest.raises(exception.ActionDescriptionNotFound):
        ActionDescription.get_by_type(context, "nop")
    assert ActionDescription.get_by_type(show_deleted_context, "nop") == found
    for wrong in (None, 5, "x" * 256):
        with pytest.raises(exception.InvalidValue, match="action_type"):
            ActionDescription.get_by_type(context, wrong)


def test_a_name_that_several_have_finds_none_of_them(database, context):
    first = factory.stored(Service, context, name="applier", host="one")
    second = factory.stored(Service, context, name="applier", host="two")
    with pytest.raises(exception.NotUnique, match="services"):
        Service.get_by_name(context, "applier")
    first.soft_delete()
    assert Service.get_by_name(context, "applier") == second


HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def clock(database, monkeypatch):
    """A function that moves the time, which stands still otherwise."""
    now = factory.MOMENT.replace(tzinfo=None)
    monkeypatch.setattr(timeutils, "utcnow", lambda: now)

    def advance(by):
        nonlocal now
        now += by

    return advance


def test_the_clock_is_the_one_that_callers_may_set(clock, context, show_deleted_context):
    goal = factory.stored(Goal, context)
    assert goal.created_at.replace(tzinfo=None) == timeutils.utcnow()
    clock(HOUR)
    goal.display_name = "later"
    goal.save()
    assert goal.updated_at - goal.created_at == HOUR
    clock(HOUR)
    goal.soft_delete()
    assert Goal.get(show_deleted_context, goal.id).deleted_at - goal.created_at == 2 * HOUR


def test_recommendations_that_are_due_are_superseded_and_no_others(
    clock, database, context, statements, published
):
    due = [factory.stored(ActionPlan, context) for _ in range(3)]
    pending = factory.stored(ActionPlan, context)
    put(pending, "PENDING")
    clock(HOUR)
    young = factory.stored(ActionPlan, context)
    clock(HOUR)
    published.clear()
    statements.clear()
    superseded = ActionPlan.supersede_expired(context, 1.5)
    verbs = {
        "sqlite": ["SELECT", "UPDATE", "UPDATE", "INSERT"],
        # A policy may hide rows from a lock, so that they are counted.
        "postgresql": ["SELECT", "SELECT", "UPDATE", "INSERT"],
        # It has no UPDATE ... RETURNING.
        "mysql": ["SELECT", "UPDATE", "SELECT", "INSERT"],
    }
    assert [statement.split()[0] for statement in statements] == verbs[database]
    assert ActionPlan.supersede_expired(context, 1.5) == []
    assert superseded == [ActionPlan.get(context, plan.id) for plan in due]
    assert {(plan.state, plan.old_state) for plan in superseded} == {("SUPERSEDED", "RECOMMENDED")}
    assert {plan.updated_at.replace(tzinfo=None) for plan in superseded} == {timeutils.utcnow()}
    assert [(event.kind, event.old_state, event.obj) for event in published] == [
        ("update", "RECOMMENDED", plan) for plan in superseded
    ]
    assert ActionPlan.get(context, pending.id).state == "PENDING"
    assert ActionPlan.get(context, young.id).state == "RECOMMENDED"


@pytest.mark.parametrize("hours", [-1, float("nan"), 1e300, None, "soon"])
def test_an_expiry_that_is_not_a_time_is_refused(sqlite, context, hours):
    with pytest.raises(exception.InvalidValue, match="hours takes"):
        ActionPlan.supersede_expired(context, hours)


def test_superseding_needs_a_context(sqlite):
    with pytest.raises(exception.InvalidParameter, match="context"):
        ActionPlan.supersede_expired(None, 1)


@pytest.mark.parametrize("cls", [Service, ActionDescription, Goal])
def test_a_taken_id_is_reported_as_such(database, context, cls):
    obj = factory.stored(cls, context, id=7)
    with pytest.raises(cls.already_exists, match=f"^A row with the id {obj.id} already exists$"):
        factory.stored(cls, context, id=obj.id)
