# SPDX-License-Identifier: Apache-2.0
"""Triggers record the transitions that other programs make."""

import contextlib
import os
import threading
import time

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext
from oslo_utils import uuidutils

from tests import factory
from tests.test_journal import operator as operator
from tests.test_journal import steps
from tests.test_ownership import put
from tests.test_upgrade_patience import open_transaction
from watcher_objects import Action, ActionPlan, Audit, Transition, db, exception
from watcher_objects.db import migration, models


@pytest.fixture
def watched(database):
    """A database that records the transitions of other programs; the value is its kind."""
    migration.watch_foreign(True)
    yield database
    migration.watch_foreign(False)


def run(statement):
    """Run a statement as another program would."""
    with db.get_engine().begin() as connection:
        connection.execute(statement)


def stored_elsewhere(audit):
    """Store an audit as another program would, and return it."""
    audit.create()
    row = Audit.get(audit._context, audit.id)
    names = ("uuid", "name", "audit_type", "state", "goal_id", "auto_trigger", "force", "deleted")
    with db.get_engine().begin() as connection:
        cells = connection.execute(sa.select(models.audits)).mappings().first()
        connection.execute(sa.delete(models.audits))
        connection.execute(sa.delete(models.transitions))
        connection.execute(sa.insert(models.audits).values({n: cells[n] for n in names}))
    return Audit.get_by_uuid(audit._context, row.uuid)


def test_a_life_that_others_write_is_recorded(watched, operator):
    audit = stored_elsewhere(factory.built(Audit, operator))
    put(audit, "ONGOING")
    audit.state = "SUSPENDED"
    audit.save()
    put(audit, "ONGOING")
    put(audit, "FAILED")
    assert steps(audit, operator) == [
        (0, None, "PENDING", "foreign"),
        (1, "PENDING", "ONGOING", "foreign"),
        (2, "ONGOING", "SUSPENDED", "save"),
        (3, "SUSPENDED", "ONGOING", "foreign"),
        (4, "ONGOING", "FAILED", "foreign"),
    ]
    assert not any(step.gap for step in Transition.of(operator, audit))
    first = Transition.of(operator, audit)[-1]
    assert (first.object_id, first.user_id, first.call) == (audit.id, None, None)
    assert (first.reason or "").startswith("" if watched == "sqlite" else "written by the account")
    assert abs((first.at - audit.updated_at).total_seconds()) < 60


def test_what_this_library_writes_is_recorded_once(watched, operator):
    plan = factory.stored(ActionPlan, operator)
    action = factory.stored(Action, operator, action_plan_id=plan.id)
    ActionPlan.supersede_expired(operator, 0)
    plan.refresh()
    plan.soft_delete()
    assert [step[3] for step in steps(plan, operator)] == ["create", "save", "delete"]
    assert [step[3] for step in steps(action, operator)] == ["create", "delete"]


def test_a_write_of_another_column_is_not_recorded(watched, operator):
    audit = factory.stored(Audit, operator)
    run(sa.update(models.audits).values(name="another"))
    assert steps(audit, operator) == [(1, None, "PENDING", "create")]


def test_switched_twice_is_switched_once(watched, operator):
    migration.watch_foreign(True)
    audit = factory.stored(Audit, operator)
    put(audit, "ONGOING")
    assert len(steps(audit, operator)) == 2
    for _ in range(2):
        migration.watch_foreign(False)
    put(audit, "FAILED")
    assert len(steps(audit, operator)) == 2


@pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
def test_an_account_needs_no_privilege_on_the_journal(watched, operator):
    audit = factory.stored(Audit, operator)
    role = f"writer_{os.getpid()}"
    with db.get_engine().connect() as connection:
        try:
            for statement in (
                f"CREATE ROLE {role}",
                f"GRANT SELECT, UPDATE ON audits TO {role}",
                f"SET ROLE {role}",
                "UPDATE audits SET state = 'ONGOING'",
            ):
                connection.exec_driver_sql(statement)
        finally:
            for statement in ("RESET ROLE", f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
                connection.exec_driver_sql(statement)
    assert steps(audit, operator)[1:] == [(2, "PENDING", "ONGOING", "foreign")]


def test_a_soft_delete_of_an_older_release_is_recorded(watched, operator):
    """It writes the state and both columns of a deletion at once, and counts nothing."""
    plan = factory.stored(ActionPlan, operator)
    action = factory.stored(Action, operator, action_plan_id=plan.id)
    for table in (models.actions, models.action_plans):
        old = {"state": "DELETED", "deleted": table.c.id, "deleted_at": factory.MOMENT}
        run(sa.update(table).values(old))
    for obj, state in ((plan, "RECOMMENDED"), (action, "PENDING")):
        assert steps(obj, operator) == [
            (1, None, state, "create"),
            (2, state, "DELETED", "foreign"),
        ]


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["foreign", "save", "delete", "destroy"])
def test_a_row_of_another_program_may_have_the_id_of_one_that_is_gone(database, operator, way):
    """Without triggers nothing has taken the id from the history of the first row."""
    old = factory.stored(ActionPlan, operator)
    for state in ("PENDING", "CANCELLED"):
        put(old, state)
        old.refresh()
    old.soft_delete()
    before = steps(old, operator)
    uuid = uuidutils.generate_uuid()
    fresh = {"uuid": uuid, "state": "CANCELLED", "deleted": 0, "deleted_at": None, "moves": None}
    run(sa.update(models.action_plans).values(fresh))
    new = ActionPlan.get_by_uuid(operator, uuid)
    migration.watch_foreign(way == "foreign")
    if way == "foreign":
        put(new, "DELETED")
    elif way == "save":
        put(new, "PENDING")
        new.state = "ONGOING"
        new.save()
    elif way == "delete":
        new.soft_delete()
    else:
        new.destroy()
    migration.watch_foreign(False)
    (step,) = Transition.of(operator, new)
    assert (step.seq, step.object_id, step.kind, step.gap) == (1, new.id, way, True)
    assert steps(old, operator) == before
    assert {one.object_id for one in Transition.of(operator, old)} == {None}


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_traced", [False, True])
@pytest.mark.parametrize("is_same", [False, True])
def test_a_number_may_be_taken_although_it_is_not_the_first(
    database, url, operator, is_same, is_traced
):
    """A row that was stored and changed without a journal has the id of one that is gone."""
    old = factory.stored(ActionPlan, operator)
    for state in ("PENDING", "ONGOING", "FAILED"):
        old.state = state
        old.save()
    old.destroy()
    db.configure(url, journal=False)
    uuid = old.uuid if is_same else uuidutils.generate_uuid()
    new = factory.stored(ActionPlan, operator, id=old.id, uuid=uuid)
    db.configure(url)
    if is_traced:
        sa.event.listen(db.get_engine(), "before_cursor_execute", lambda *args: None)
    with db.transaction() if is_same else contextlib.nullcontext():
        new.state = "PENDING"
        new.save()
    new.state = "ONGOING"
    new.save()
    found = Transition.of(operator, new, limit=2)
    assert [(step.seq, step.to_state) for step in found] == [(3, "ONGOING"), (2, "PENDING")]
    assert {step.object_id for step in found} == {new.id}
    assert len(Transition.list(operator, filters={"resource": "action_plan"})) == 5 + 2


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
def test_so_may_rows_that_go_with_their_owner(database, operator):
    plan = factory.stored(ActionPlan, operator)
    old = factory.stored(Action, operator, action_plan_id=plan.id)
    uuid = uuidutils.generate_uuid()
    run(sa.update(models.actions).values(uuid=uuid, moves=None))
    put(plan, "CANCELLED")
    ActionPlan.get(operator, plan.id).soft_delete()
    new = Action.get_by_uuid(RequestContext(show_deleted=True), uuid)
    assert steps(new, operator) == [(1, "PENDING", "DELETED", "delete")]
    assert [one.object_id for one in Transition.of(operator, old)] == [None]


def test_the_schema_is_as_it_should_be(watched):
    assert migration.check() == []


def test_a_downgrade_takes_the_triggers_along(no_schema, operator):
    migration.upgrade()
    migration.watch_foreign(True)
    audit = factory.stored(Audit, operator)
    migration.downgrade("0003_create_rpc_requests")
    with pytest.raises(exception.InvalidRevision, match="run db upgrade"):
        migration.watch_foreign(True)
    run(sa.text(f"UPDATE audits SET state = 'ONGOING' WHERE id = {audit.id}"))
    migration.upgrade()
    assert steps(audit, operator) == []


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_who_writes_waits_no_longer_than_a_second_for_the_triggers(database, url, operator):
    """They wait for a transaction, and who comes next would wait for them."""
    held, free = [factory.stored(Audit, operator) for _ in range(2)]
    stop, waits = threading.Event(), []

    def write():
        while not stop.is_set():
            begun = time.monotonic()
            free.status_message = str(begun)
            free.save()
            waits.append(time.monotonic() - begun)

    writer = threading.Thread(target=write)
    change = f"UPDATE audits SET status_message = 'held' WHERE id = {held.id}"
    with open_transaction(url, 4, "BEGIN", change):
        writer.start()
        migration.watch_foreign(True)
        stop.set()
        writer.join()
    assert max(waits) < 2.5
    put(held, "ONGOING")
    migration.watch_foreign(False)
    assert [step[3] for step in steps(held, operator)] == ["create", "foreign"]
