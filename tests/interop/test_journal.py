# SPDX-License-Identifier: Apache-2.0
"""Watcher's own objects on a database with a journal: without triggers, with them, and after."""

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext
from watcher.db.sqlalchemy import migration as theirs

from tests import population
from tests.interop import serving
from watcher_objects import ActionPlan, Audit, Transition
from watcher_objects.db import migration


def steps(context, uuid):
    """Return the history of an object, the first step first: number, states, kind and gap."""
    found = Transition.list(context, filters={"object_uuid": uuid}, sort_key="seq")
    return [(one.seq, one.from_state, one.to_state, one.kind, one.gap) for one in found]


def test_without_triggers_what_watcher_wrote_is_a_gap(call, context):
    audit, plan, _ = call("create")
    assert call("move", "Audit", audit, "ONGOING") == ["ONGOING"]
    ours = Audit.get_by_uuid(context, audit)
    ours.state = "SUCCEEDED"
    ours.save()
    assert call("move", "Audit", audit, "DELETED") == ["DELETED"]
    assert steps(context, audit) == [(1, "ONGOING", "SUCCEEDED", "save", True)]
    theirs = ActionPlan.get_by_uuid(context, plan)
    theirs.state = "PENDING"
    theirs.save()
    assert call("move", "ActionPlan", plan, "ONGOING") == ["ONGOING"]
    theirs.refresh()
    theirs.state = "FAILED"
    theirs.save()
    assert steps(context, plan) == [
        (1, "RECOMMENDED", "PENDING", "save", True),
        (2, "ONGOING", "FAILED", "save", True),
    ]


def test_a_life_that_watcher_writes_is_recorded(call, context):
    migration.watch_foreign(True)
    audit, plan, action = call("create")
    for state in ("ONGOING", "SUCCEEDED", "DELETED"):
        assert call("move", "Audit", audit, state) == [state]
    assert steps(context, audit) == [
        (0, None, "PENDING", "foreign", False),
        (1, "PENDING", "ONGOING", "foreign", False),
        (2, "ONGOING", "SUCCEEDED", "foreign", False),
        (3, "SUCCEEDED", "DELETED", "foreign", False),
    ]
    assert call("move", "ActionPlan", plan, "DELETED") == ["DELETED"]
    for uuid, state in ((plan, "RECOMMENDED"), (action, "PENDING")):
        assert steps(context, uuid) == [
            (0, None, state, "foreign", False),
            (1, state, "DELETED", "foreign", False),
        ]


def test_what_both_write_in_turn_is_recorded_once(call, context):
    migration.watch_foreign(True)
    audit, _, _ = call("create")
    ours = Audit.get_by_uuid(context, audit)
    ours.state = "ONGOING"
    ours.save()
    assert call("move", "Audit", audit, "SUSPENDED") == ["SUSPENDED"]
    ours.refresh()
    ours.state = "ONGOING"
    ours.save()
    assert call("move", "Audit", audit, "SUCCEEDED") == ["SUCCEEDED"]
    Audit.get_by_uuid(context, audit).soft_delete()
    assert steps(context, audit) == [
        (0, None, "PENDING", "foreign", False),
        (1, "PENDING", "ONGOING", "save", False),
        (2, "ONGOING", "SUSPENDED", "foreign", False),
        (3, "SUSPENDED", "ONGOING", "save", False),
        (4, "ONGOING", "SUCCEEDED", "foreign", False),
        (5, "SUCCEEDED", "DELETED", "delete", False),
    ]


@pytest.mark.parametrize("watched", [False, True])
def test_watcher_purges_and_creates_again_beside_the_history(call, context, watched):
    """On SQLite the new rows have the ids of those that are gone."""
    migration.watch_foreign(watched)
    audit, plan, action = call("create")
    for cls, uuid, state in (("Audit", audit, "CANCELLED"), ("ActionPlan", plan, "CANCELLED")):
        one = {"Audit": Audit, "ActionPlan": ActionPlan}[cls].get_by_uuid(context, uuid)
        one.state = state
        one.save()
        assert call("move", cls, uuid, "DELETED") == ["DELETED"]
    call("purge")
    assert Audit.list(RequestContext(show_deleted=True)) == []
    before = {uuid: steps(context, uuid) for uuid in (audit, plan, action)}
    assert len(before[audit]) == (3 if watched else 1)
    again, _, _ = call("create")
    assert call("move", "Audit", again, "ONGOING") == ["ONGOING"]
    ours = Audit.get_by_uuid(context, again)
    ours.state = "SUCCEEDED"
    ours.save()
    assert [step[1:3] for step in steps(context, again)][-1] == ("ONGOING", "SUCCEEDED")
    assert any(step[-1] for step in steps(context, again)) is not watched
    assert {uuid: steps(context, uuid) for uuid in before} == before


def test_triggers_that_come_late_record_what_follows(call, context):
    """Also of a row whose id another had, whose history is there, on SQLite."""
    audit, _, _ = call("create")
    one = Audit.get_by_uuid(context, audit)
    one.state = "CANCELLED"
    one.save()
    one.soft_delete()
    call("purge")
    again, _, _ = call("create")
    migration.watch_foreign(True)
    assert call("move", "Audit", again, "ONGOING") == ["ONGOING"]
    assert steps(context, again) == [(1, "PENDING", "ONGOING", "foreign", True)]
    assert len(steps(context, audit)) == 2


@pytest.fixture
def call_alone(empty, context, notified):
    """Calls a function of a process of Watcher on a database that no other test has."""
    migration.upgrade()
    serving.store_strategy(context)
    with serving.calls(empty) as call:
        yield call


def test_watchers_schema_is_its_own_again_after_a_downgrade(build, call_alone, context):
    def tables():
        found = sa.inspect(population.db.get_engine())
        return {t: {c["name"] for c in found.get_columns(t)} for t in found.get_table_names()}

    migration.downgrade(population.FOREIGN_HEAD)
    before = tables()
    migration.upgrade()
    migration.watch_foreign(True)
    audit, _, _ = call_alone("create")
    ours = Audit.get_by_uuid(context, audit)
    ours.state = "ONGOING"
    ours.save()
    assert len(steps(context, audit)) == 2
    migration.downgrade(population.FOREIGN_HEAD)
    assert tables() == before
    # Watcher's own alembic knows the revision, and has nothing to do.
    assert theirs.version() == population.FOREIGN_HEAD
    build("head")
    assert tables() == before
    assert call_alone("move", "Audit", audit, "SUCCEEDED") == ["SUCCEEDED"]
    again, _, _ = call_alone("create")
    assert call_alone("move", "Audit", again, "ONGOING") == ["ONGOING"]
    migration.upgrade()
    assert population.differences() == []
    assert Transition.list(context) == []
    assert call_alone("move", "Audit", again, "SUCCEEDED") == ["SUCCEEDED"]
    assert Transition.list(context) == []
