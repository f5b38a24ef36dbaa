# SPDX-License-Identifier: Apache-2.0
"""The journal: each transition is recorded by whatever call makes it, in its transaction."""

import pickle
import socket
import threading

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import factory
from tests.test_ownership import put
from watcher_objects import (
    Action,
    ActionPlan,
    Audit,
    Goal,
    Transition,
    Worker,
    claims,
    db,
    exception,
    idempotency,
    journal,
)
from watcher_objects.db import migration, models, purge, requests, transactions
from watcher_objects.db.sql import journal as entries

LONG = "ü" * 300


@pytest.fixture
def operator():
    return RequestContext(user_id="ada", project_id="maintenance", request_id="req-7")


def steps(obj, context):
    """Return the history of an object: number, old state, new state and kind of each step."""
    found = Transition.of(context, obj)[::-1]
    return [(step.seq, step.from_state, step.to_state, step.kind) for step in found]


def test_a_life_is_recorded(database, operator):
    audit = factory.stored(Audit, operator)
    for state in ("ONGOING", "SUSPENDED", "ONGOING", "FAILED"):
        audit.state = state
        audit.save()
    audit.soft_delete()
    audit.destroy()
    assert steps(audit, operator) == [
        (1, None, "PENDING", "create"),
        (2, "PENDING", "ONGOING", "save"),
        (3, "ONGOING", "SUSPENDED", "save"),
        (4, "SUSPENDED", "ONGOING", "save"),
        (5, "ONGOING", "FAILED", "save"),
        (6, "FAILED", "DELETED", "delete"),
        (7, "DELETED", None, "destroy"),
    ]


def test_a_transition_says_who_where_and_when(database, operator):
    audit = factory.stored(Audit, operator)
    audit.state = "ONGOING"
    audit.save()
    last = Transition.latest(operator, audit)
    assert (last.user_id, last.project_id, last.request_id) == ("ada", "maintenance", "req-7")
    assert (last.host, last.at, last.reason) == (socket.gethostname(), audit.updated_at, None)
    assert (last.resource, last.object_id, last.object_uuid) == ("audit", audit.id, audit.uuid)
    assert last.call != Transition.of(operator, audit)[1].call


def test_the_reason_is_that_of_the_block(database, operator):
    audit = factory.stored(Audit, operator)
    with journal.because("outer"), journal.because("inner"):
        audit.state = "ONGOING"
        audit.save()
    other = threading.Thread(target=factory.stored, args=(Audit, operator))
    with journal.because("outer"):
        other.start()
        other.join()
        audit.state = "FAILED"
        audit.save()
    found = [step.reason for step in Transition.list(operator, sort_key="id")]
    assert found == [None, "inner", None, "outer"]


@pytest.mark.parametrize("text", ["a\0b", "half \ud800", LONG, 7, [7], ""])
def test_no_text_of_an_actor_makes_a_transition_fail(database, text):
    context = RequestContext(user_id=text, project_id=text, request_id=text)
    audit = factory.built(Audit, context)
    with journal.because(text):
        audit.create()
    last = Transition.latest(context, audit)
    for stored in (last.user_id, last.project_id, last.reason):
        assert len(stored) <= 255
        assert stored[:3] == str(text).replace("\0", "\ufffd").replace("\ud800", "\ufffd")[:3]


def test_a_context_of_nobody_is_recorded(database):
    audit = factory.stored(Audit, object())
    last = Transition.latest(RequestContext(), audit)
    assert (last.user_id, last.project_id, last.request_id) == (None, None, None)


def test_objects_stored_at_once_are_recorded(database, operator):
    audits = [factory.built(Audit, operator) for _ in range(3)]
    Audit.create_many(operator, audits)
    assert [steps(audit, operator) for audit in audits] == [[(1, None, "PENDING", "create")]] * 3
    assert len({step.call for step in Transition.list(operator)}) == 1


def test_what_goes_with_its_owner_is_recorded(database, operator):
    plan = factory.stored(ActionPlan, operator)
    actions = [factory.stored(Action, operator, action_plan_id=plan.id) for _ in range(2)]
    put(plan, "FAILED")
    plan.refresh()
    plan.soft_delete()
    plan.destroy()
    for action in actions:
        assert steps(action, operator)[1:] == [
            (2, "PENDING", "DELETED", "delete"),
            (3, "DELETED", None, "destroy"),
        ]


def test_transitions_of_many_rows_are_recorded(database, operator):
    plans = [factory.stored(ActionPlan, operator) for _ in range(3)]
    assert len(ActionPlan.supersede_expired(operator, 0)) == 3
    for plan in plans:
        assert steps(plan, operator)[1:] == [(2, "RECOMMENDED", "SUPERSEDED", "save")]


def test_what_is_rolled_back_is_not_recorded(database, operator):
    audit = factory.stored(Audit, operator)

    def fail():
        audit.state = "ONGOING"
        audit.save()
        assert len(steps(audit, operator)) == 2
        raise LookupError

    with pytest.raises(LookupError), db.transaction():
        fail()
    audit.state = "CANCELLED"
    audit.save()
    assert steps(audit, operator)[1:] == [(2, "PENDING", "CANCELLED", "save")]


def test_a_refusal_and_a_change_of_another_field_are_not_recorded(database, operator):
    audit = factory.stored(Audit, operator)
    audit.name = "another"
    audit.save()
    audit.state = "SUCCEEDED"
    with pytest.raises(exception.InvalidStateTransition):
        audit.save()
    assert steps(audit, operator) == [(1, None, "PENDING", "create")]


def test_of_many_writers_each_transition_has_its_number(database, operator):
    audits = [factory.stored(Audit, operator) for _ in range(5)]

    def write():
        for audit in [Audit.get(operator, one.id) for one in audits]:
            for state in ("ONGOING", "SUSPENDED") * 5:
                try:
                    audit.state = state
                    audit.save()
                except exception.InvalidStateTransition:
                    audit.refresh()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for audit in audits:
        found = steps(audit, operator)
        assert [step[0] for step in found] == [*range(1, len(found) + 1)]
        assert [step[1] for step in found[1:]] == [step[2] for step in found[:-1]]
        assert not any(step.gap for step in Transition.of(operator, audit))


def test_what_another_program_has_written_is_a_gap(database, operator):
    audit = factory.stored(Audit, operator)
    put(audit, "ONGOING")
    audit.state = "FAILED"
    audit.save()
    first, second = Transition.of(operator, audit)[::-1]
    assert (first.gap, second.gap) == (False, True)
    # Each by itself, too.
    alone = [Transition.get(operator, step.id) for step in (first, second)]
    assert [step.gap for step in alone] == [False, True]


def test_a_row_from_before_the_journal_begins_with_a_gap(database, operator):
    audit = factory.stored(Audit, operator)
    with db.get_engine().begin() as connection:
        connection.execute(sa.update(models.audits).values(moves=None))
        connection.execute(sa.delete(models.transitions))
    audit.state = "ONGOING"
    audit.save()
    (step,) = Transition.of(operator, audit)
    assert (step.seq, step.from_state, step.gap) == (1, "PENDING", True)


def test_a_new_row_may_have_the_id_of_one_that_is_gone(database, operator):
    old = factory.stored(Audit, operator)
    old.destroy()
    new = factory.stored(Audit, operator, id=old.id)
    assert steps(new, operator) == [(1, None, "PENDING", "create")]
    assert [step[3] for step in steps(old, operator)] == ["create", "destroy"]
    assert {step.object_id for step in Transition.of(operator, old)} == {None}
    with db.get_engine().begin() as connection:
        connection.execute(sa.delete(models.audits))
    again = [factory.built(Audit, operator, id=new.id), factory.built(Audit, operator)]
    Audit.create_many(operator, again)
    assert [len(steps(audit, operator)) for audit in again] == [1, 1]


def test_without_a_journal_the_moves_are_counted_all_the_same(database, url, operator):
    db.configure(url, journal=False)
    audit = factory.stored(Audit, operator)
    audit.state = "ONGOING"
    audit.save()
    assert steps(audit, operator) == []
    db.configure(url)
    audit.state = "FAILED"
    audit.save()
    (step,) = Transition.of(operator, audit)
    assert (step.seq, step.gap) == (3, True)


def test_transitions_are_listed_as_objects_are(database, operator):
    audits = [factory.stored(Audit, operator) for _ in range(3)]
    listed = Transition.list(operator, filters={"kind": "create", "user_id": "ada"}, limit=2)
    assert [step.object_uuid for step in listed] == [audit.uuid for audit in audits[:2]]
    page = Transition.list(operator, marker=listed[-1], limit=2)
    assert [step.object_uuid for step in page] == [audits[2].uuid]
    assert [*Transition.iterate(operator, batch=1)] == [*listed, *page]
    with pytest.raises(exception.TransitionNotFound):
        Transition.get(operator, 2**40)
    with pytest.raises(exception.InvalidFilter, match="no such field"):
        Audit.list(operator, filters={"moves": 1})


def test_a_transition_is_copied_without_the_others_of_its_list(sqlite, operator):
    audit = factory.stored(Audit, operator)
    for number in range(200):
        audit.state = ("ONGOING", "SUSPENDED")[number % 2]
        audit.save()
    last = Transition.of(operator, audit)[0]
    assert len(pickle.dumps(last)) < 10_000
    assert pickle.loads(pickle.dumps(last)).gap is False  # noqa: S301 - our own


def test_nobody_changes_a_transition(sqlite, operator):
    factory.stored(Audit, operator)
    (step,) = Transition.list(operator)
    assert not {"create", "soft_delete", "destroy"} & set(dir(step))
    with pytest.raises(NotImplementedError):
        step.save()


def test_the_internal_column_is_not_a_field(sqlite, operator):
    audit = factory.stored(Audit, operator)
    assert "moves" not in audit.obj_to_primitive()["watcher_object.data"]
    with pytest.raises(exception.UnknownField):
        db.api.update(models.audits, {"uuid": audit.uuid}, {"moves": 9})


def test_an_entry_is_made_for_states_only(sqlite, operator):
    assert entries.entry(models.goals, operator, "create") is None


def test_a_schema_that_is_too_old_is_reported(no_schema, operator, caplog):
    migration.upgrade()
    gone, plan = (factory.stored(ActionPlan, operator) for _ in range(2))
    put(gone, "CANCELLED")
    ActionPlan.get(operator, gone.id).soft_delete()
    action = factory.stored(Action, operator, action_plan_id=plan.id)
    goal = Goal.list(operator)[0]
    put(plan, "CANCELLED")
    plan.refresh()
    goal.display_name, action.state = "changed", "ONGOING"
    audits = [factory.built(Audit, operator) for _ in range(3)]
    migration.downgrade("0003_create_rpc_requests")
    calls = {
        "get": lambda: Action.get(operator, action.id),
        "list": lambda: Audit.list(operator),
        "list eagerly": lambda: Action.list(operator, eager=True),
        "iterate": lambda: [*Audit.iterate(operator)],
        "refresh": plan.refresh,
        "create": audits[0].create,
        "create many": lambda: Audit.create_many(operator, audits[1:]),
        "save": action.save,
        "soft delete": plan.soft_delete,
        "destroy": action.destroy,
        "supersede": lambda: ActionPlan.supersede_expired(operator, 0),
        "purge": lambda: purge.remove(purge.Selection(0), purge.Pace()),
        "history": lambda: Transition.list(operator),
        "key": lambda: keyed(goal.save),
        "request": lambda: requests.execute_once("a" * 36, lambda: "answer"),
    }
    for what, call in calls.items():
        with pytest.raises(exception.DatabaseError, match=r"run .*db upgrade") as caught:
            call()
        # No subclass, which would say that it may pass.
        assert caught.type is exception.DatabaseError, what
    # oslo.db would log the words of the driver before.
    assert caplog.records == []
    # Other tables are as they were.
    assert Goal.get(operator, goal.id).uuid == goal.uuid
    assert [finding.need.name for finding in migration.check()] == ["UPGRADE"]


def keyed(call):
    with idempotency.once("key"):
        call()


def restored(obj, **given):
    """Have another program store the row of an object again, as it once was."""
    table = obj.table
    transactions.execute(sa.update(table).where(table.c.id == obj.id).values(**given))
    return type(obj).get(obj.obj_context, obj.id)


def saved(plan):
    plan.state = "PENDING"
    plan.save()


WRITES = {
    "save": saved,
    "soft_delete": ActionPlan.soft_delete,
    "destroy": ActionPlan.destroy,
    "claim": lambda plan: claims.claim(plan.obj_context, ActionPlan, plan.id),
    "supersede": lambda plan: ActionPlan.supersede_expired(plan.obj_context, 0),
    "transactional": db.transactional(saved),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_restored_row_begins_another_history(database, operator, name):
    """The journal has the numbers of its next transitions already."""
    plan = factory.stored(ActionPlan, operator)
    factory.stored(Action, operator, action_plan_id=plan.id)
    for state in ("PENDING", "ONGOING", "SUCCEEDED"):
        plan.state = state
        plan.save()
    before = {"claim": "PENDING", "soft_delete": "CANCELLED"}.get(name, "RECOMMENDED")
    again = restored(plan, state=before, moves=1)
    with Worker(operator):
        WRITES[name](again)
    found = Transition.list(operator, filters={"object_uuid": plan.uuid})
    numbers = [(step.seq, step.object_id) for step in found[:5]]
    assert numbers == [(1, plan.id), (2, None), (3, None), (4, None), (2, plan.id)]
    assert found[4].from_state == before


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_without_retries_the_next_write_succeeds(database, url, operator):
    db.configure(url, retry_for=0)
    audit = factory.stored(Audit, operator)
    audit.state = "ONGOING"
    audit.save()
    again = restored(audit, state="PENDING", moves=1)
    again.state = "ONGOING"
    with pytest.raises(exception.DatabaseUnavailable, match="later transitions"):
        again.save()
    again.save()
    assert Transition.latest(operator, again).seq == 2


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_in_a_transaction_a_restored_row_is_an_error(database, operator):
    audit = factory.stored(Audit, operator)
    audit.state = "ONGOING"
    audit.save()
    again = restored(audit, state="PENDING", moves=1)
    again.state = "ONGOING"
    with pytest.raises(exception.DatabaseUnavailable, match="later transitions"), db.transaction():
        again.save()
    assert Audit.get(operator, audit.id).state == "PENDING"
    again.save()
    assert Transition.latest(operator, again).seq == 2
