# SPDX-License-Identifier: Apache-2.0
"""The life-cycle of an audit: what the table says, the database enforces."""

from functools import partial
from itertools import product

import pytest

from tests import factory
from tests.processes import Signal, ended, forked
from watcher_objects import Action, ActionPlan, Audit, db, exception
from watcher_objects.audit import AuditStateTransitionManager, AuditType, State
from watcher_objects.db import api, models, statements
from watcher_objects.db.sql.write_outcome import RowVersion
from watcher_objects.states import ActionPlanState, ActionState
from watcher_objects.transitions import PROFILES


def table_of(lines):
    """Return what lines like 'FROM: TO TO' say."""
    moves = (line.partition(":") for line in lines.split(";"))
    return {initial.strip(): set(new.split()) for initial, _, new in moves}


# What Watcher documents, written down a second time, and what its code does in addition.
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
MANAGERS = {cls: cls.table.info["state_machine"] for cls in DOCUMENTED}


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
    """Bring a row into a state without the objects' knowledge."""
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
            listed = sum(len(to) for to in number[cls].values()) if shown else 0
            others = drawn.count("  (if ") if arrow == "──▶" else 0
            assert drawn.count(arrow) == listed + others


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


def test_the_row_decides_and_not_what_an_object_remembers(cls, database, context):
    for initial, new in moves_of(cls):
        stale = factory.stored(cls, context)
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
            assert State.ONGOING not in caught.value.allowed
        assert not AuditStateTransitionManager.check_transition("SUCCEEDED", "ONGOING")


def test_becoming_an_event_audit_in_the_same_write_does_not_help(sqlite, context):
    audit = in_state(State.SUCCEEDED, context, audit_type="ONESHOT")
    audit.audit_type, audit.state = "EVENT", State.ONGOING
    with pytest.raises(exception.InvalidStateTransition):
        audit.save()
    assert row_of(audit)["audit_type"] == "ONESHOT"


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


def test_the_db_api_refuses_what_is_not_a_column_and_a_missing_value(sqlite):
    for call in (
        lambda: api.create(models.goals, {"nam": "a"}),
        lambda: api.get(models.goals, {"nam": "a"}),
        lambda: api.update(models.goals, {"id": 1}, {"nam": "a"}),
    ):
        with pytest.raises(exception.UnknownField, match="goals has no field nam; there are"):
            call()
    with pytest.raises(exception.InvalidValue, match="must have a value"):
        api.create(models.goals, {"name": "a"})


# Of eventlet, and of Python where other threads run.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_of_two_processes_exactly_one_wins_each_claim(database, context):
    audits = [factory.stored(Audit, context) for _ in range(100)]
    go_on = Signal()

    def claim(name):
        mine, won, states = Audit.list(context), set(), set()
        go_on.wait()
        for audit in mine:
            audit.state, audit.hostname = "ONGOING", name
            try:
                audit.save()
                won.add(audit.id)
            except exception.InvalidStateTransition as error:
                states.add(error.initial)
        assert states <= {"ONGOING"}
        assert won == {audit.id for audit in Audit.list(context, filters={"hostname": name})}

    workers = [forked(partial(claim, name)) for name in ("one", "two")]
    for _ in workers:
        go_on.send()
    assert [ended(worker) for worker in workers] == [0, 0]
    go_on.close()
    assert len(Audit.list(context, filters={"hostname__in": ["one", "two"]})) == len(audits)
