# SPDX-License-Identifier: Apache-2.0
"""Writes that the database suppresses, undoes or changes: a call ends, and its answer is true."""

from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from oslo_utils import uuidutils

from tests import factory, population, servers
from tests.chaos import injection
from tests.suppressors import policy, trigger
from tests.test_interrupted_upgrade import build
from tests.test_states import in_state, put, row_of
from watcher_objects import Action, ActionPlan, Audit, Service, db, exception
from watcher_objects.db import migration, purge, requests

ON_TRIGGERS = pytest.mark.parametrize("shared_url", ["sqlite", "postgresql"], indirect=True)
ON_CHANGES = pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
#: What a trigger changes.
BACK = "NEW.state = OLD.state"
ON_POLICIES = pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)


def suppressed(words=None):
    return pytest.raises(exception.WriteSuppressed, match=words)


@contextmanager
def refused(obj, words):
    """A write that raises, and leaves the object and its row as they were."""
    before, changes, row = dict(obj.items()), obj.obj_what_changed(), dict(row_of(obj))
    with suppressed(words):
        yield
    assert (dict(obj.items()), obj.obj_what_changed(), dict(row_of(obj))) == (before, changes, row)


def claim(audit):
    audit.state = "ONGOING"
    return audit.save


def rename(audit):
    audit.name = "new"
    return audit.save


def merge(audit):
    audit.name = "new"
    return audit.merge


def swap(audit):
    return lambda: audit.conditional_update({"name": "new"}, {"name": audit.name})


def soft_delete(audit):
    put(audit, "FAILED")
    return audit.soft_delete


def destroy(audit):
    return audit.destroy


CALLS = {
    claim: ("UPDATE", "there in state PENDING, which leads to ONGOING, but the UPDATE"),
    rename: ("UPDATE", "the row is there but the UPDATE matched no row; look for row-level"),
    merge: ("UPDATE", "the row is there but the UPDATE matched no row; look for row-level"),
    swap: ("UPDATE", "the row is there but the UPDATE matched no row; look for row-level"),
    soft_delete: ("UPDATE", "there in state FAILED, which leads to DELETED, but the UPDATE"),
    destroy: ("DELETE", "but the DELETE matched no row|can be read, but not locked"),
}


@ON_TRIGGERS
@pytest.mark.parametrize("call", CALLS)
def test_a_write_that_a_trigger_suppresses_is_an_error(database, url, context, published, call):
    verb, words = CALLS[call]
    audit = factory.stored(Audit, context)
    write = call(audit)
    published.clear()
    with trigger(url, "audits", verb), refused(audit, f"{audit.uuid} in audits: .*{words}"):
        write()
    assert published == []
    write()


@ON_POLICIES
@pytest.mark.parametrize("call", CALLS)
def test_a_write_that_a_policy_suppresses_is_an_error(database, url, context, call):
    audit = factory.stored(Audit, context)
    write = call(audit)
    with policy(url, "audits"):
        with refused(audit, CALLS[call][1]):
            write()
        with db.transaction(), refused(audit, CALLS[call][1]):
            write()
        assert migration.check() == []


@ON_TRIGGERS
def test_rows_that_are_not_stored_are_an_error(database, url, context):
    audits = [factory.built(Audit, context, uuid=uuidutils.generate_uuid()) for _ in range(3)]
    with trigger(url, "audits", "INSERT"):
        with suppressed("in audits: the INSERT returned no"):
            audits[0].create()
        with suppressed("3 of 3 rows in audits"):
            Audit.create_many(context, audits)
    one = f"NEW.uuid = '{audits[1].uuid}'"
    with trigger(url, "audits", "INSERT", when=one), suppressed("1 of 3 rows in audits"):
        Audit.create_many(context, audits)
    assert Audit.list(context) == []
    Audit.create_many(context, audits)


@ON_CHANGES
def test_rows_that_come_back_with_another_key_are_an_error(database, url, context):
    services = [factory.built(Service, context) for _ in range(2)]
    with trigger(url, "services", "INSERT", "NEW.host = 'other'"), suppressed("2 of 2 rows"):
        Service.create_many(context, services)
    assert Service.list(context) == []


def plan_with_actions(context):
    plan = in_state("SUPERSEDED", context, ActionPlan)
    for _ in range(3):
        factory.stored(Action, context, action_plan_id=plan.id)
    return plan


@ON_TRIGGERS
def test_a_plan_is_kept_where_a_trigger_keeps_one_of_its_actions(
    database, url, context, published
):
    plan = plan_with_actions(context)
    actions = Action.list(context)
    published.clear()
    when = f"OLD.uuid = '{actions[1].uuid}'"
    with trigger(url, "actions", "UPDATE", when=when), refused(plan, "1 of 3 rows in actions"):
        plan.soft_delete()
    with trigger(url, "actions", "DELETE", when=when), refused(plan, "1 of 3 rows in actions"):
        plan.destroy()
    assert (Action.list(context), published) == (actions, [])


@ON_POLICIES
def test_rows_that_a_policy_hides_from_a_lock_are_an_error(database, url, context):
    plan, due = plan_with_actions(context), factory.stored(ActionPlan, context)
    with policy(url, "actions"):
        for write in (plan.soft_delete, plan.destroy):
            with refused(plan, "3 rows in actions: they can be read, but not locked"):
                write()
    with policy(url, "action_plans"), refused(due, "1 rows in action_plans: they can be read"):
        ActionPlan.supersede_expired(context, 0)


@ON_TRIGGERS
def test_plans_that_can_not_be_superseded_are_an_error(database, url, context):
    plans = [factory.stored(ActionPlan, context) for _ in range(2)]
    one = trigger(url, "action_plans", "UPDATE", when=f"OLD.id = {plans[1].id}")
    with one, refused(plans[0], "1 of 2 rows in action_plans: the UPDATE did not match them"):
        ActionPlan.supersede_expired(context, 0)


@ON_CHANGES
def test_a_state_that_a_trigger_takes_back_is_an_error(database, url, context, published):
    audit, plan = factory.stored(Audit, context), factory.stored(ActionPlan, context)
    audit.state = "ONGOING"
    published.clear()
    with trigger(url, "audits", "UPDATE", BACK), suppressed("is PENDING now, not ONGOING"):
        audit.save()
    with trigger(url, "action_plans", "UPDATE", BACK), suppressed("RECOMMENDED now, not SUPER"):
        ActionPlan.supersede_expired(context, 0)
    assert (audit.state, audit.obj_what_changed(), published) == ("ONGOING", {"state"}, [])
    assert row_of(plan)["state"] == "RECOMMENDED"


@ON_CHANGES
def test_a_deletion_that_a_trigger_takes_back_is_an_error(database, url, context):
    audit = in_state("FAILED", context)
    back = trigger(url, "audits", "UPDATE", "NEW.deleted = OLD.deleted")
    with back, suppressed("it is not deleted now"):
        audit.soft_delete()


@ON_CHANGES
def test_a_state_that_is_taken_back_ends_its_transaction(database, url, context):
    audit, other = factory.stored(Audit, context), factory.stored(Audit, context)

    def write_both():
        with db.transaction():
            with suppressed():
                claim(audit)()
            rename(other)()

    ended = pytest.raises(exception.DatabaseError, match="can only be rolled back")
    with trigger(url, "audits", "UPDATE", BACK), ended:
        write_both()
    assert row_of(audit)["updated_at"] is row_of(other)["updated_at"] is None


@ON_CHANGES
def test_a_reverted_state_is_not_a_success_where_the_answer_is_lost(database, url, context):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    error = [*injection.LEFT_OPEN[database].values()][-1]
    db.configure(url, connect_args=injection.ARGUMENTS[database])
    lost = injection.INJECTOR.failing(error, 1, done=True)
    with trigger(url, "audits", "UPDATE", BACK), lost as injector, suppressed():
        audit.save()
    assert injector.raised


@ON_CHANGES
def test_what_a_trigger_writes_to_other_columns_is_what_the_object_holds(
    database, url, context, published
):
    audit = factory.stored(Audit, context, hostname="Node-1")
    for change, verb in (("lower(NEW.hostname)", "INSERT"), ("upper(NEW.hostname)", "UPDATE")):
        with trigger(url, "audits", verb, f"NEW.hostname = {change}"):
            if verb == "INSERT":
                audit = factory.stored(Audit, context, hostname="Node-1")
            else:
                claim(audit)()
        assert audit == Audit.get(context, audit.id)
    assert (audit.state, audit.hostname, audit.old_state) == ("ONGOING", "NODE-1", "PENDING")
    plan = factory.stored(ActionPlan, context, hostname="node-2")
    with trigger(url, "action_plans", "UPDATE", "NEW.hostname = 'other'"):
        (superseded,) = ActionPlan.supersede_expired(context, 0)
    assert superseded == published[-1].obj == ActionPlan.get(context, plan.id)
    assert superseded.hostname == "other"


def test_a_row_that_others_keep_changing_is_locked_and_written(database, url, context, listen):
    audit = factory.stored(Audit, context)
    flipped = iter(["ONGOING", "PENDING"])

    def flip(connection, cursor, statement, *rest):
        if "UPDATE audits SET" in statement and (state := next(flipped, None)):
            with closing(servers.admin(url).connect()) as other:
                other.exec_driver_sql(f"UPDATE audits /* other */ SET state = '{state}'")

    listen(flip)
    audit.state = "CANCELLED"
    audit.save()
    assert (audit.state, audit.old_state) == ("CANCELLED", "PENDING")
    assert next(flipped, None) is None


@ON_TRIGGERS
@pytest.mark.parametrize(("verb", "times"), [("INSERT", 0), ("UPDATE", 1)])
def test_a_request_whose_answer_can_not_be_stored_is_an_error(database, url, verb, times):
    done = []
    with trigger(url, "rpc_requests", verb):
        for _ in range(2):
            with suppressed("in rpc_requests"):
                requests.execute_once("a" * 36, lambda: done.append(1) or "answer")
    assert len(done) == 2 * times
    assert requests.execute_once("a" * 36, lambda: "answer") == "answer"


@ON_CHANGES
def test_a_request_without_an_answer_is_an_error(database, url):
    with trigger(url, "rpc_requests", "UPDATE", "NEW.answer = OLD.answer"):
        requests.execute_once("a" * 36, lambda: "answer")
    with suppressed("without an answer"):
        requests.execute_once("a" * 36, lambda: "answer")


@ON_TRIGGERS
def test_a_purge_ends_where_nothing_can_be_removed(database, url, context):
    audits = [in_state("FAILED", context) for _ in range(3)]
    for audit in audits:
        audit.soft_delete()
    with trigger(url, "audits", "DELETE"):
        counts = purge.remove(purge.Selection(0, types=["audits"]), purge.Pace(batch=2))
    assert [count[1:] for count in counts if count.table == "audits"] == [(3, 0, 3)]


@ON_POLICIES
def test_an_upgrade_ends_where_rows_can_not_be_corrected_and_can_be_run_again(no_schema, url):
    build()
    before = population.contents()
    for table, change in (
        ("goals", "NEW.deleted = OLD.deleted"),
        ("efficacy_indicators", ""),
        ("audits", "NEW.force = OLD.force"),
        ("audits", "NEW.name = OLD.name"),
    ):
        ended = pytest.raises(exception.InvalidRevision, match=f"rows of {table} .* still wrong")
        with trigger(url, table, "UPDATE", change), ended:
            migration.upgrade()
    migration.upgrade()
    assert population.differences() == []
    population.same(before, population.contents())


@ON_POLICIES
def test_a_row_that_another_stores_during_a_step_is_corrected_too(no_schema, url, listen):
    build()
    late = iter([4])

    def store(connection, cursor, statement, *rest):
        if "ADD CONSTRAINT audits_force_is_there" in statement and (number := next(late, None)):
            (audits,) = (table for table in population.tables() if table.name == "audits")
            population.fill(audits, [number])
            population.run(sa.update(audits).where(audits.c.id == number).values(force=None))

    listen(store)
    migration.upgrade()
    assert population.run(sa.text("SELECT force FROM audits WHERE id = 4")) == [(False,)]
