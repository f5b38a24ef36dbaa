# SPDX-License-Identifier: Apache-2.0
"""What the public calls take and refuse, beside values of fields: one verdict everywhere."""

from functools import partial

import pytest
import sqlalchemy as sa

from tests import factory
from tests.boundary_values import calls
from tests.boundary_values.test_fields import stored_rows
from tests.boundary_values.verdicts import expected, outcome, shown
from tests.generated import BY_NAME
from watcher_objects import Audit, Goal, db, events, rpc
from watcher_objects.base import WatcherObject
from watcher_objects.db import migration
from watcher_objects.states import (
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
    AuditStateTransitionManager,
)

MANAGERS = (
    AuditStateTransitionManager,
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
)
MOVES = {
    "upgrade": migration.upgrade,
    "downgrade": migration.downgrade,
    "stamp": migration.stamp,
    "plan": migration.plan,
    "sql": migration.sql,
}


@pytest.fixture
def rows(database, context):
    """An object of each class is stored; afterwards all rows are as they were."""
    for cls in factory.CLASSES:
        factory.stored(cls, context)
    before = stored_rows()
    yield before
    assert stored_rows() == before


def wrong(call, inputs):
    """Return what became of inputs otherwise than it should."""
    found = []
    for given, verdict in inputs:
        told = outcome(lambda given=given: call(given))
        if told != expected(verdict, given):
            found.append(f"{shown(given)}: {shown(told)}, not {shown(expected(verdict, given))}")
    return found


def test_what_means_no_object_is_refused_or_not_found(rows, context):
    for name in calls.NOT_FOUND:
        for finder, inputs in calls.finders(name).items():
            find = getattr(BY_NAME[name], finder)
            assert (name, finder, wrong(partial(find, context), inputs)) == (name, finder, [])
            given = calls.AWAY if finder == "get_by_uuid" else "4711"
            assert outcome(partial(find, None, given)) == expected(calls.CONTEXT)


@pytest.mark.parametrize("name", ["Goal", "Audit", "Service"])
def test_what_lists_can_not_use_is_refused(rows, context, name):
    cls = BY_NAME[name]
    assert wrong(lambda given: cls.list(context, **given), calls.lists(name)) == []
    assert outcome(lambda: cls.list(None)) == expected(calls.CONTEXT)
    batches = wrong(lambda given: next(cls.iterate(context, given)), calls.BATCHES)
    assert batches == []


def test_what_is_no_object_of_the_class_is_not_stored(rows, context):
    allowed = "objects must be a list of objects of Goal"
    for given in (*calls.NO_OBJECTS, [factory.built(Audit, context)]):
        name, words = outcome(lambda given=given: Goal.create_many(context, given))
        assert (name, words.removeprefix("objects[0]: ")) == ("InvalidParameter", allowed)
    assert outcome(lambda: Goal.create_many(None, [])) == expected(calls.CONTEXT)


def test_what_is_no_primitive_is_refused(rows):
    assert wrong(Audit.obj_from_primitive, calls.PRIMITIVES) == []


def test_what_is_no_version_is_no_target(rows, context):
    for cls in factory.CLASSES:
        assert wrong(cls.list(context)[0].obj_to_primitive, calls.VERSIONS) == []


def test_what_can_not_be_called_is_told_nothing():
    assert wrong(events.subscribe, calls.CALLBACKS) == []


def test_what_is_no_topic_or_time_enables_no_server():
    assert wrong(lambda given: rpc.enable("fake://", topic=given), calls.TOPICS) == []
    assert wrong(lambda given: rpc.enable("fake://", timeout=given), calls.TIMEOUTS) == []
    assert WatcherObject.indirection_api is None


def test_names_that_are_no_fields_are_refused(rows, context):
    for cls in factory.CLASSES:
        stored = cls.list(context)[0]
        for name in ("nonsense", "names", "Id", "table", "save", "old_state", "VERSION", "_x"):
            told = outcome(partial(cls, context, **{name: 1}))
            assert told[0] == "UnknownField"
            assert told[1].startswith(f"{cls.obj_name()} has no field {name}")
            if not name.startswith(("_", "VERSION")):
                assert outcome(partial(setattr, stored, name, 1))[0] == "UnknownField"


def test_a_deleted_row_takes_no_write(database, context, show_deleted_context):
    for cls in factory.CLASSES:
        obj = factory.stored(cls, context)
        with db.get_engine().connect() as connection:
            connection.execute(sa.update(cls.table).values(deleted=cls.table.c.id))
        before = stored_rows()
        missing = calls.NOT_FOUND[cls.obj_name()][0].__name__
        other = cls.get(show_deleted_context, obj.id)
        field = next(n for n in ("name", "action_type", "status_message") if n in cls.fields)
        other[field] = "changed"
        for call in (obj.soft_delete, obj.refresh, other.save, partial(cls.get, context, obj.id)):
            assert outcome(call)[0] == missing
        assert outcome(other.create)[0] == "ObjectActionError"
        assert stored_rows() == before


def test_what_is_no_database_is_refused_and_the_old_one_stays(rows):
    assert wrong(db.configure, calls.URLS) == []
    assert wrong(lambda given: db.configure("sqlite://", given), calls.PROFILES) == []
    assert wrong(lambda given: db.configure("sqlite://", retry_for=given), calls.RETRIES) == []
    for option in ({"creator": list}, {"isolation_level": "x"}, {"nonsense": 1}, {"poolclass": 5}):
        told = outcome(lambda option=option: db.configure("sqlite://", **option))
        assert told[0] == "InvalidParameter"


def test_what_is_no_revision_moves_nothing(rows):
    at = migration.version()
    for name, move in MOVES.items():
        for given in calls.REVISIONS:
            told = outcome(lambda move=move, given=given: move(given))
            assert (name, shown(given), told[0]) == (name, shown(given), "InvalidRevision")
    assert migration.version() == at


@pytest.mark.parametrize("manager", MANAGERS)
def test_what_is_no_state_leads_nowhere(manager):
    for state in manager.TRANSITIONS:
        for given in calls.NO_STATES:
            assert manager.check_transition(state, given) is False
            assert manager.check_transition(given, state) is False
