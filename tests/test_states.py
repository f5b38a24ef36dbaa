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
from watcher_objects import Action, ActionPlan, Audit, db, events, exception
from watcher_objects.audit import AuditStateTransitionManager, AuditType, State
from watcher_objects.db import api, models, statements
from watcher_objects.db.sql.write_outcome import RowVersion
from watcher_objects.states import ActionPlanState, ActionState
from watcher_objects.transitions import PROFILES


def table_of(lines):
    """Return what lines like 'FROM: TO TO' say."""
    moves = (line.partition(":") for line in lines.split(";"))
    return {initial.strip(): set(new.split()) for initial, _, new in moves}


# What the documentation of Watcher says, spelled out once more, and what its code does besides.
DOCUMENTED = {
    Audit: table_of(
        "PENDING: ONGOING CANCELLED; ONGOING: SUCCEEDED FAILED CANCELLED SUSPENDED;"
        "SUSPENDED: ONGOING DELETED; SUCCEEDED: DELETED; FAILED: DELETED; CANCELLED: DELETED;"
        "DELETED:"
    ),
    ActionPlan: table_of(
        "RECOMMENDED: PENDING CANCELLED SUPERSEDED; PENDING: ONGOING CANCELLED;"
        "ONGOING: SUCCEEDED FAILED CANCELLING; CANCELLING: CANCELLED FAILED; SUCCEEDED: DELETED;"
        "FAILED: DELETED; CANCELLED: DELETED; SUPERSEDED: DELETED; DELETED:"
    ),
    Action: table_of(
        "PENDING: ONGOING SKIPPED FAILED CANCELLED; ONGOING: SUCCEEDED FAILED CANCELLED;"
        "SUCCEEDED: DELETED; FAILED: DELETED; CANCELLED: DELETED; SKIPPED: DELETED;"
        "CANCELLING:; DELETED:"
    ),
}
OBSERVED = {
    Audit: table_of(
        "PENDING: FAILED SUCCEEDED; SUCCEEDED: CANCELLED; FAILED: CANCELLED; SUSPENDED: CANCELLED"
    ),
    ActionPlan: table_of(
        "RECOMMENDED: SUCCEEDED ONGOING DELETED; ONGOING: CANCELLED; CANCELLING: SUCCEEDED;"
        "FAILED: CANCELLED; SUCCEEDED: CANCELLED; SUPERSEDED: CANCELLED"
    ),
    Action: table_of(
        "PENDING: DELETED; ONGOING: CANCELLING; CANCELLING: CANCELLED SUCCEEDED FAILED;"
        "SUCCEEDED: FAILED CANCELLED; SKIPPED: CANCELLED; FAILED: CANCELLED"
    ),
}
FIRST = {Audit: "PENDING", ActionPlan: "RECOMMENDED", Action: "PENDING"}
STATES = {Audit: State, ActionPlan: ActionPlanState, Action: ActionState}
MANAGERS = {cls: cls.table.info["moves"] for cls in DOCUMENTED}


def moves_of(cls):
    return product(DOCUMENTED[cls], DOCUMENTED[cls])


def allowed_to(cls, profile):
    more = OBSERVED[cls] if profile == "watcher" else {}
    return {state: to | more.get(state, set()) for state, to in DOCUMENTED[cls].items()}


@pytest.fixture(params=DOCUMENTED, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


@pytest.fixture(params=PROFILES)
def profile(request, database, url):
    """The profile of the configured database."""
    db.configure(url, transitions=request.param)
    return request.param


def put(obj, state):
    """Bring a row into a state behind the objects' back."""
    mine = obj.table.update().where(obj.table.c.id == obj.id)
    with db.get_engine().connect() as connection:
        connection.execute(mine.values(state=state))


def row_of(obj):
    with db.get_engine().connect() as connection:
        mine = obj.table.select().where(obj.table.c.id == obj.id)
        return connection.execute(mine).one()._mapping


def in_state(state, context, cls=Audit, **fields):
    obj = factory.stored(cls, context, **fields)
    put(obj, state)
    obj.refresh()
    return obj


def test_the_table_is_the_documented_one_and_total(cls):
    manager = MANAGERS[cls]
    assert DOCUMENTED[cls] == manager.TRANSITIONS
    assert allowed_to(cls, "watcher") == manager.under("watcher").TRANSITIONS
    assert manager.under("strict") is manager
    assert FIRST[cls] == manager.INITIAL
    words = {value for name, value in vars(STATES[cls]).items() if name == value}
    assert words == DOCUMENTED[cls].keys()


def test_the_drawing_shows_every_move_and_with_a_double_arrow_those_of_the_profile(cls):
    for profile in PROFILES:
        drawn = MANAGERS[cls].diagram(profile)
        for number, arrow in ((DOCUMENTED, "──▶"), (OBSERVED, "══▶")):
            shown = number is DOCUMENTED or profile == "watcher"
            told = sum(len(to) for to in number[cls].values()) if shown else 0
            others = drawn.count("  (if ") if arrow == "──▶" else 0
            assert drawn.count(arrow) == told + others


def test_inactive_are_the_states_in_which_nothing_goes_on():
    inactive = {"CANCELLED", "DELETED", "FAILED", "SUSPENDED"}
    assert set(AuditStateTransitionManager.INACTIVE_STATES) == inactive
    assert {kind.value for kind in AuditType} == {"ONESHOT", "CONTINUOUS", "EVENT"}


def test_check_transition_answers_from_the_table(cls):
    manager = MANAGERS[cls]()
    for initial, new in [*moves_of(cls), (None, "PENDING"), ("PENDING", "?")]:
        expected = new in DOCUMENTED[cls].get(initial, ())
        assert manager.check_transition(initial, new) is expected


def test_is_inactive_answers_from_the_state(cls, context):
    manager = MANAGERS[cls]()
    for state in DOCUMENTED[cls]:
        obj = cls(context, state=state)
        assert manager.is_inactive(obj) is (state in manager.INACTIVE_STATES)


def test_every_move_of_the_table_is_allowed_and_no_other(cls, profile, context):
    table = allowed_to(cls, profile)
    for initial, new in moves_of(cls):
        obj = in_state(initial, context, cls)
        obj.state = new
        if initial == new and profile == "watcher":
            obj.save()
            assert row_of(obj)["updated_at"] is None
        elif new in table[initial]:
            obj.save()
            assert (row_of(obj)["state"], obj.state) == (new, new)
            assert obj.old_state == initial
        else:
            with pytest.raises(exception.InvalidStateTransition) as caught:
                obj.save()
            assert (caught.value.initial, caught.value.new) == (initial, new)
            assert set(caught.value.allowed) == table[initial]
            assert row_of(obj)["state"] == initial
            assert obj.obj_what_changed() == {"state"}
            assert obj.old_state is None


@pytest.mark.parametrize("believed", sorted({s for states in DOCUMENTED.values() for s in states}))
def test_the_row_decides_and_not_what_an_object_remembers(cls, database, context, believed):
    if believed not in DOCUMENTED[cls]:
        return
    for initial, new in moves_of(cls):
        stale = in_state(believed, context, cls)
        put(stale, initial)
        stale.state = new
        if new in DOCUMENTED[cls][initial]:
            stale.save()
            assert stale.old_state == initial
            assert row_of(stale)["state"] == new
        else:
            with pytest.raises(exception.InvalidStateTransition, match=f"from {initial} to"):
                stale.save()
            assert row_of(stale)["state"] == initial


def test_a_profile_that_is_not_there_is_refused(url):
    with pytest.raises(exception.InvalidParameter, match="strict or watcher"):
        db.configure(url, transitions="lax")


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


def test_there_is_no_way_back_from_a_deleted_row(database, context, show_deleted_context):
    audit = in_state(State.CANCELLED, context)
    stale = Audit.get(context, audit.uuid)
    audit.soft_delete()
    for handle in (stale, audit, Audit.get(show_deleted_context, audit.uuid)):
        for state in DOCUMENTED[Audit]:
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


def cell_of(done, name):
    return done.cells[statements.column_index(models.audits, name)]


def test_the_db_api_enforces_the_table_too(database, context, show_deleted_context):
    audit = factory.stored(Audit, context)
    key = {"uuid": audit.uuid}
    for state in (None, "ONGOING", "PENDING", "no state at all"):
        known = RowVersion(state)
        with pytest.raises(exception.InvalidStateTransition):
            api.update(models.audits, key, {"state": "SUCCEEDED"}, known)
        with pytest.raises(exception.InvalidStateTransition):
            api.soft_delete(models.audits, key, {"name": "other"}, known)
    with pytest.raises(exception.InvalidState):
        api.update(models.audits, key, {"state": "pending"})
    assert Audit.get(context, audit.id) == audit
    done = api.update(models.audits, key, {"state": "CANCELLED"})
    assert (cell_of(done, "state"), done.old_state) == ("CANCELLED", "PENDING")
    done = api.update(models.audits, key, {"state": "DELETED"})
    assert cell_of(done, "deleted") == audit.id
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


moved = st.tuples(st.integers(0, 2), st.sampled_from(sorted(DOCUMENTED[Audit])))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    kind=st.sampled_from([kind.value for kind in AuditType]),
    moves=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(sorted(DOCUMENTED[Audit]))), max_size=12
    ),
)
def test_no_sequence_of_stale_handles_leaves_the_table(database, context, kind, moves):
    clean()
    first = factory.stored(Audit, context, audit_type=kind)
    handles = [first, Audit.get(context, first.id), Audit.get(context, first.id)]
    told = []
    end = events.subscribe(told.append)
    truth = State.PENDING
    for who, new in moves:
        # A handle that was rejected still requests the state; the next call begins without.
        handle = handles[who].obj_clone()
        handle.state = new
        again = (truth, new, kind) == (State.SUCCEEDED, State.ONGOING, "EVENT")
        allowed = new in DOCUMENTED[Audit][truth] or again
        try:
            handle.save()
        except (exception.InvalidStateTransition, exception.AuditNotFound):
            assert not allowed
        else:
            handles[who] = handle
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
