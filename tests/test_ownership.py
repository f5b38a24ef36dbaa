# SPDX-License-Identifier: Apache-2.0
"""An action plan takes its actions and efficacy indicators along."""

import pytest
import sqlalchemy as sa

from tests import factory
from tests.test_states import put
from watcher_objects import Action, ActionPlan, EfficacyIndicator, db, exception

OWNED = (Action, EfficacyIndicator)


@pytest.fixture
def plan(database, context):
    """A plan that may be deleted, with three actions and two indicators."""
    plan = filled(context)
    put(plan, "SUPERSEDED")
    plan.refresh()
    return plan


def filled(context):
    plan = factory.stored(ActionPlan, context)
    for state in ("SUCCEEDED", "PENDING", "PENDING"):
        put(factory.stored(Action, context, action_plan_id=plan.id), state)
    for _ in range(2):
        factory.stored(EfficacyIndicator, context, action_plan_id=plan.id)
    return plan


def of(plan, context):
    mine = {"action_plan_id": plan.id}
    return [obj for cls in OWNED for obj in cls.list(context, filters=mine)]


def soft_delete(plan):
    plan.soft_delete()


def save_as_deleted(plan):
    plan.state = "DELETED"
    plan.save()


@pytest.mark.parametrize("delete", [soft_delete, save_as_deleted])
def test_what_a_plan_owns_is_deleted_with_it_and_what_another_owns_is_not(
    plan, context, show_deleted_context, published, delete
):
    other, rows = filled(context), of(plan, context)
    published.clear()
    delete(plan)
    assert plan.old_state == "SUPERSEDED"
    assert of(plan, context) == []
    gone = of(plan, show_deleted_context)
    assert len(gone) == 5
    assert all(obj.deleted_at == obj.updated_at is not None for obj in gone)
    assert len(of(other, context)) == 5
    # Each row that went along has an event, before that of its plan.
    assert [(event.kind, event.obj.uuid) for event in published] == [
        ("delete", obj.uuid) for obj in [*rows, plan]
    ]
    states = ["SUCCEEDED", "PENDING", "PENDING"]
    assert [event.old_state for event in published[:3]] == states
    assert [event.obj.old_state for event in published[:3]] == states
    assert {obj.state for obj in gone[:3]} == {event.obj.state for event in published[:3]}
    assert {obj.state for obj in gone[:3]} == {"DELETED"}
    assert {event.context for event in published} == {context}


def test_what_a_plan_owns_is_destroyed_with_it(plan, context, show_deleted_context, published):
    rows = of(plan, context)
    rows[0].soft_delete()
    published.clear()
    plan.destroy()
    assert of(plan, show_deleted_context) == []
    assert ActionPlan.list(show_deleted_context) == []
    assert [(event.kind, event.obj.uuid) for event in published] == [
        ("destroy", obj.uuid) for obj in [*rows, plan]
    ]


@pytest.mark.parametrize("state", ["ONGOING", "CANCELLING"])
def test_a_plan_that_goes_on_or_has_an_action_that_does_is_not_deleted(
    plan, context, published, state
):
    action = of(plan, context)[1]
    put(action, state)
    before = of(plan, context)
    for delete in (soft_delete, save_as_deleted):
        with pytest.raises(exception.InvalidStateTransition, match=f"{action.uuid} in actions"):
            delete(plan)
    assert of(plan, context) == before
    assert ActionPlan.get(context, plan.id).state == "SUPERSEDED"
    put(action, "PENDING")
    put(plan, "ONGOING")
    before = of(plan, context)
    with db.transaction():
        with pytest.raises(exception.InvalidStateTransition, match="from ONGOING"):
            plan.soft_delete()
        assert of(plan, context) == before
    assert of(plan, context) == before
    assert published == []


@pytest.mark.parametrize("verb", ["soft_delete", "destroy"])
def test_the_number_of_statements_does_not_grow_with_what_is_owned(
    plan, context, statements, verb
):
    small = factory.stored(ActionPlan, context)
    put(small, "FAILED")
    small.refresh()
    for cls in OWNED:
        factory.stored(cls, context, action_plan_id=small.id)
    counts = []
    for each in (small, plan):
        statements.clear()
        getattr(each, verb)()
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 13


def test_what_another_row_of_the_database_holds_wrongly_does_not_keep_a_plan(
    plan, context, show_deleted_context, published, caplog
):
    indicator = of(plan, context)[-1]
    with db.get_engine().connect() as connection:
        mine = indicator.table.update().where(indicator.table.c.id == indicator.id)
        connection.execute(mine.values(value=None, data=None))
    plan.soft_delete()
    assert len(published) == 5
    assert "value must have a value" in caplog.text
    assert ActionPlan.get(show_deleted_context, plan.id).state == "DELETED"


def test_a_plan_that_others_refer_to_is_kept_with_all_that_it_owns(plan, context, published):
    before = of(plan, context)
    others = sa.Table(
        "others",
        sa.MetaData(),
        sa.Column("plan_id", sa.Integer, sa.ForeignKey(plan.table.c.id)),
        mysql_engine="InnoDB",
    )
    with db.get_engine().connect() as connection:
        others.create(connection)
        connection.execute(others.insert().values(plan_id=plan.id))
    with pytest.raises(exception.ActionPlanReferenced, match=plan.uuid):
        plan.destroy()
    assert of(plan, context) == before
    assert published == []
    with db.get_engine().connect() as connection:
        others.drop(connection)
