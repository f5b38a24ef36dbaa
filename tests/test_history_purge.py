# SPDX-License-Identifier: Apache-2.0
"""The history of objects goes with them, or by its own age and number."""

import datetime

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

from tests import factory
from watcher_objects import ActionPlan, Audit, Transition, db, exception
from watcher_objects.db import models, purge


def aged(days, *conditions):
    """Make transitions so many days older."""
    table = models.transitions
    moment = timeutils.utcnow() - datetime.timedelta(days=days)
    with db.get_engine().begin() as connection:
        connection.execute(sa.update(table).where(*conditions).values(at=moment))


def busy(context, number):
    """Return an audit that has made so many transitions."""
    audit = factory.stored(Audit, context)
    for turn in range(number - 1):
        audit.state = "SUSPENDED" if turn % 2 else "ONGOING"
        audit.save()
    return audit


def numbers(context, audit):
    return [step.seq for step in Transition.of(context, audit)][::-1]


def test_history_goes_with_its_object(database, context):
    kept, gone = factory.stored(ActionPlan, context), factory.stored(ActionPlan, context)
    ActionPlan.supersede_expired(context, 0)
    gone.refresh()
    gone.soft_delete()
    assert [c.removed for c in purge.remove(purge.Selection(0)) if c.table == "action_plans"] == [
        1
    ]
    assert numbers(context, gone) == []
    assert numbers(context, kept) == [1, 2]


def test_what_is_kept_keeps_its_history(database, context):
    goal_of = factory.stored(Audit, context)
    goal_of.state = "CANCELLED"
    goal_of.save()
    plan = factory.stored(ActionPlan, context, audit_id=goal_of.id)
    goal_of.soft_delete()
    purge.remove(purge.Selection(0))
    assert numbers(context, goal_of) == [1, 2, 3]
    assert numbers(context, plan) == [1]


def test_history_goes_by_its_age(database, context):
    audit, gone = busy(context, 4), factory.stored(Audit, context)
    gone.destroy()
    aged(10, models.transitions.c.seq < 3)
    history = purge.History.of(days=5)
    assert purge.count_history(history) == ("transitions", 4, 4, 0)
    assert purge.remove_history(history) == ("transitions", 4, 4, 0)
    assert (numbers(context, audit), numbers(context, gone)) == ([3, 4], [])
    assert [step.gap for step in Transition.of(context, audit)] == [False, True]


@pytest.mark.parametrize("keep", [1, 2, 4, 5])
def test_the_last_transitions_of_each_object_stay(database, context, keep):
    long, short = busy(context, 5), busy(context, 2)
    purge.remove_history(purge.History.of(keep=keep), purge.Pace(2))
    assert numbers(context, long) == [*range(1, 6)][-keep:]
    assert numbers(context, short) == [1, 2][-keep:]


def test_of_what_is_old_the_last_stay(database, context):
    audit = busy(context, 5)
    aged(10, models.transitions.c.seq < 3)
    purge.remove_history(purge.History.of(days=5, keep=4))
    assert numbers(context, audit) == [2, 3, 4, 5]


@pytest.mark.parametrize("wrong", [{"days": -1}, {"keep": -1}, {"keep": 1.5}, {"days": "x"}])
def test_what_can_not_be_asked_for_is_refused(sqlite, wrong):
    with pytest.raises(exception.InvalidValue):
        purge.History.of(**wrong)


def test_nothing_is_purged_inside_a_transaction(sqlite):
    with db.transaction(), pytest.raises(exception.DatabaseError, match="transaction"):
        purge.remove_history(purge.History.of(days=0))
