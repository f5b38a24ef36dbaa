# SPDX-License-Identifier: Apache-2.0
"""The life-cycle of an audit: what the table says, the database enforces."""

import subprocess
import sys
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factory
from tests.conftest import clean
from watcher_objects import Audit, db, events, exception
from watcher_objects.audit import AuditStateTransitionManager, AuditType, State
from watcher_objects.db import api, models

# What the documentation of Watcher says, spelled out once more.
DOCUMENTED = {
    "PENDING": {"ONGOING", "CANCELLED"},
    "ONGOING": {"SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED"},
    "SUSPENDED": {"ONGOING", "DELETED"},
    "SUCCEEDED": {"DELETED"},
    "FAILED": {"DELETED"},
    "CANCELLED": {"DELETED"},
    "DELETED": set(),
}
MOVES = list(product(DOCUMENTED, DOCUMENTED))


def put(audit, state):
    """Bring a row into a state behind the objects' back."""
    mine = models.audits.update().where(models.audits.c.id == audit.id)
    with db.get_engine().connect() as connection:
        connection.execute(mine.values(state=state))


def row_of(audit):
    with db.get_engine().connect() as connection:
        mine = models.audits.select().where(models.audits.c.id == audit.id)
        return connection.execute(mine).one()._mapping


def in_state(state, context, **fields):
    audit = factory.stored(Audit, context, **fields)
    put(audit, state)
    audit.refresh()
    return audit


def test_the_table_is_the_documented_one_and_total():
    assert AuditStateTransitionManager.TRANSITIONS == DOCUMENTED
    inactive = {"CANCELLED", "DELETED", "FAILED", "SUSPENDED"}
    assert set(AuditStateTransitionManager.INACTIVE_STATES) == inactive
    assert {kind.value for kind in AuditType} == {"ONESHOT", "CONTINUOUS", "EVENT"}
    assert {v for n, v in vars(State).items() if n.isupper()} == DOCUMENTED.keys()


@pytest.mark.parametrize(("initial", "new"), [*MOVES, (None, "PENDING"), ("PENDING", "?")])
def test_check_transition_answers_from_the_table(initial, new):
    manager = AuditStateTransitionManager()
    assert manager.check_transition(initial, new) is (new in DOCUMENTED.get(initial, ()))


def test_is_inactive_answers_from_the_state(context):
    manager = AuditStateTransitionManager()
    for state in DOCUMENTED:
        audit = Audit(context, state=state)
        assert manager.is_inactive(audit) is (state in manager.INACTIVE_STATES)


def test_every_move_of_the_table_is_allowed_and_no_other(database, context):
    for initial, new in MOVES:
        audit = in_state(initial, context)
        audit.state = new
        if initial == new:
            audit.save()
            assert row_of(audit)["updated_at"] is None
        elif new in DOCUMENTED[initial]:
            audit.save()
            assert (row_of(audit)["state"], audit.state) == (new, new)
            assert audit.old_state == initial
        else:
            with pytest.raises(exception.InvalidStateTransition) as caught:
                audit.save()
            assert (caught.value.initial, caught.value.new) == (initial, new)
            assert set(caught.value.allowed) == DOCUMENTED[initial]
            assert row_of(audit)["state"] == initial
            assert audit.obj_what_changed() == {"state"}
            assert audit.old_state is None


@pytest.mark.parametrize("believed", sorted(DOCUMENTED))
def test_the_row_decides_and_not_what_an_object_remembers(database, context, believed):
    for initial, new in MOVES:
        if believed == new:
            continue
        stale = in_state(believed, context)
        put(stale, initial)
        stale.state = new
        if new in DOCUMENTED[initial]:
            stale.save()
            assert stale.old_state == initial
            assert row_of(stale)["state"] == new
        else:
            with pytest.raises(exception.InvalidStateTransition, match=f"is {initial} and"):
                stale.save()
            assert row_of(stale)["state"] == initial


def test_a_stale_pending_audit_may_succeed_and_may_not_be_claimed_again(database, context):
    audit = factory.stored(Audit, context)
    other = Audit.get(context, audit.uuid)
    other.state = State.ONGOING
    other.save()
    audit.state = State.ONGOING
    with pytest.raises(exception.InvalidStateTransition) as caught:
        audit.save()
    assert caught.value.initial == State.ONGOING
    audit.state = State.SUCCEEDED
    audit.save()
    assert audit.old_state == State.ONGOING


def test_only_an_event_audit_may_be_triggered_again(database, context):
    for kind in AuditType:
        audit = in_state(State.SUCCEEDED, context, audit_type=kind.value)
        audit.state = State.ONGOING
        if kind is AuditType.EVENT:
            audit.save()
            assert audit.old_state == State.SUCCEEDED
        else:
            with pytest.raises(exception.InvalidStateTransition) as caught:
                audit.save()
            assert caught.value.allowed == ("DELETED",)
        assert not AuditStateTransitionManager.check_transition("SUCCEEDED", "ONGOING")


def test_becoming_an_event_audit_in_the_same_write_does_not_help(database, context):
    audit = in_state(State.SUCCEEDED, context, audit_type="ONESHOT")
    audit.audit_type, audit.state = "EVENT", State.ONGOING
    with pytest.raises(exception.InvalidStateTransition):
        audit.save()
    assert row_of(audit)["audit_type"] == "ONESHOT"


def test_a_state_is_written_in_one_update_that_holds_its_conditions(database, context, statements):
    audit = factory.stored(Audit, context)
    statements.clear()
    audit.state = State.ONGOING
    audit.save()
    (update,) = (s for s in statements if s.startswith("UPDATE"))
    condition = update.split("WHERE")[1]
    assert all(f"audits.{name} " in condition for name in ("uuid", "deleted", "state"))
    assert len(statements) == (2 if database == "mysql" else 1)


def test_soft_delete_is_one_update(database, context, statements):
    audit = in_state(State.FAILED, context)
    statements.clear()
    audit.soft_delete()
    row = row_of(audit)
    assert [s.split()[0] for s in statements].count("UPDATE") == 1
    assert (row["state"], row["deleted"]) == ("DELETED", audit.id)
    assert row["deleted_at"] is not None
    assert audit.old_state == State.FAILED


@pytest.mark.parametrize("state", [State.PENDING, State.ONGOING])
def test_soft_delete_of_what_is_going_on_is_refused(database, context, state):
    audit = in_state(state, context)
    with pytest.raises(exception.InvalidStateTransition):
        audit.soft_delete()
    assert (audit.state, audit.obj_what_changed()) == (state, set())
    assert row_of(audit)["deleted"] == 0


def test_saving_the_state_deleted_is_a_soft_delete(database, context):
    audit = in_state(State.SUSPENDED, context)
    audit.state = State.DELETED
    audit.save()
    assert row_of(audit)["deleted"] == audit.id


def test_there_is_no_way_back_from_a_deleted_row(database, context, all_seeing):
    audit = in_state(State.CANCELLED, context)
    stale = Audit.get(context, audit.uuid)
    audit.soft_delete()
    for handle in (stale, audit, Audit.get(all_seeing, audit.uuid)):
        for state in DOCUMENTED.keys() - {handle.state}:
            handle.state = state
            with pytest.raises(exception.AuditNotFound):
                handle.save()
    assert row_of(audit)["state"] == "DELETED"


def test_an_unknown_state_is_refused(database, context):
    with pytest.raises(exception.InvalidState, match="BOGUS"):
        factory.stored(Audit, context, state="BOGUS")
    audit = factory.stored(Audit, context)
    audit.state = "pending"
    with pytest.raises(exception.InvalidState, match="SUSPENDED"):
        audit.save()
    assert row_of(audit)["state"] == "PENDING"


def test_the_db_api_enforces_the_table_too(database, context, all_seeing):
    audit = factory.stored(Audit, context)
    key = {"uuid": audit.uuid}
    for believed in (None, "ONGOING", "PENDING", "no state at all"):
        with pytest.raises(exception.InvalidStateTransition):
            api.update(models.audits, key, {"state": "SUCCEEDED"}, believed)
        with pytest.raises(exception.InvalidStateTransition):
            api.soft_delete(models.audits, key, {"name": "other"}, believed)
    with pytest.raises(exception.InvalidState):
        api.update(models.audits, key, {"state": "pending"})
    assert Audit.get(context, audit.id) == audit
    done = api.update(models.audits, key, {"state": "CANCELLED"})
    assert (done.row["state"], done.old_state) == ("CANCELLED", "PENDING")
    done = api.update(models.audits, key, {"state": "DELETED"})
    assert done.row["deleted"] == audit.id
    assert api.update(models.audits, key, {"name": "other"}) is None


def test_the_db_api_refuses_what_is_no_column(database):
    for call in (
        lambda: api.create(models.goals, {"nam": "a"}),
        lambda: api.get(models.goals, {"nam": "a"}),
        lambda: api.update(models.goals, {"id": 1}, {"nam": "a"}),
    ):
        with pytest.raises(exception.UnknownField, match="goals has no field nam; there are"):
            call()


def test_an_audit_begins_pending(database, context):
    audit = factory.built(Audit, context)
    del audit.state
    audit._changed_fields.discard("state")
    audit.create()
    assert audit.state == State.PENDING
    assert audit.old_state is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    kind=st.sampled_from([kind.value for kind in AuditType]),
    moves=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(sorted(DOCUMENTED))), max_size=12),
)
def test_no_sequence_of_stale_handles_leaves_the_table(database, context, kind, moves):
    clean()
    first = factory.stored(Audit, context, audit_type=kind)
    handles = [first, Audit.get(context, first.id), Audit.get(context, first.id)]
    told = []
    end = events.subscribe(told.append)
    truth = State.PENDING
    for who, new in moves:
        handle = handles[who]
        loaded = handle.state if not handle.obj_what_changed() else None
        handle.state = new
        again = (truth, new, kind) == (State.SUCCEEDED, State.ONGOING, "EVENT")
        allowed = new in DOCUMENTED[truth] or again
        try:
            handle.save()
        except (exception.InvalidStateTransition, exception.AuditNotFound):
            assert not allowed
            handle.state = loaded
        else:
            if new == loaded:
                continue
            assert allowed
            assert told[-1].old_state == handle.old_state == truth
            truth = new
        assert row_of(first)["state"] == truth
    end()


CLAIM = """
import sys, warnings
warnings.simplefilter("ignore")
from oslo_context.context import RequestContext
from watcher_objects import Audit, db, exception
db.configure(sys.argv[1])
context = RequestContext()
audits = Audit.list(context, sort_key="name", sort_dir=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for audit in audits:
    audit.state = "ONGOING"
    audit.hostname = sys.argv[3]
    try:
        audit.save()
        print("won", audit.uuid)
    except exception.InvalidStateTransition as error:
        print("lost", error.initial)
    except BaseException as error:
        print("raw", type(error).__name__, error)
"""


def test_of_two_processes_exactly_one_wins_each_claim(url, database, context):
    audits = [factory.stored(Audit, context) for _ in range(200)]
    workers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", CLAIM, url, "asc", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    printed = [line.split() for worker in workers for line in worker.communicate()[0].splitlines()]
    won = [words[1] for words in printed if words[0] == "won"]
    lost = [words for words in printed if words == ["lost", "ONGOING"]]
    assert sorted(won) == sorted(audit.uuid for audit in audits)
    assert len(lost) == 200
    assert len(printed) == 400
