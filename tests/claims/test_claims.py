# SPDX-License-Identifier: Apache-2.0
"""Claims: one worker gets each object, and only the latest lease can write it."""

import datetime
import gc
import threading
import weakref
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils
from oslo_versionedobjects import exception as ovo_exception

from tests import factory
from tests.test_journal import steps
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
)
from watcher_objects.db import models, wakeups

CLAIMABLE = (Audit, ActionPlan, Action)
YESTERDAY = datetime.datetime(2020, 1, 1)
NEVER = datetime.datetime(2099, 1, 1)


@pytest.fixture
def worker(database, context):
    with Worker(context, host="host-1") as one:
        yield one


@pytest.fixture
def other(database, context, worker):
    with Worker(context, host="host-2") as one:
        yield one


def waiting(cls, context, **given):
    """Return a new object that waits for a worker."""
    obj = factory.stored(cls, context, **given)
    if obj.state != "PENDING":
        obj.state = "PENDING"
        obj.save()
    return obj


def row(obj):
    """Return what the table says of an object's claim."""
    table = obj.table
    with db.get_engine().connect() as connection:
        columns = (table.c.worker_id, table.c.attempts, table.c.moves, table.c.state)
        found = sa.select(*columns).where(table.c.uuid == obj.uuid)
        return tuple(connection.execute(found).one())


@contextmanager
def rolled_back():
    """A transaction that is rolled back at its end."""
    with suppress(ZeroDivisionError), db.transaction():
        yield
        raise ZeroDivisionError


def expire(worker):
    """Make other workers take a worker for dead."""
    with db.get_engine().begin() as connection:
        late = sa.update(models.workers).values(alive_until=YESTERDAY)
        connection.execute(late.where(models.workers.c.id == worker.id))


@pytest.mark.parametrize("cls", CLAIMABLE)
def test_an_object_is_claimed_and_finished(cls, worker, context):
    obj = waiting(cls, context)
    lease = claims.claim_next(context, cls)
    assert (lease.object.uuid, lease.object.state, lease.attempts) == (obj.uuid, "ONGOING", 1)
    assert row(obj) == (worker.id, 1, lease.token, "ONGOING")
    if "hostname" in cls.fields:
        assert lease.object.hostname == "host-1"
    assert claims.claim_next(context, cls) is None
    lease.check()
    lease.finish("SUCCEEDED")
    assert (lease.object.state, lease.object.old_state) == ("SUCCEEDED", "ONGOING")
    assert row(obj) == (None, None, lease.token + 1, "SUCCEEDED")
    kinds = [(kind, new) for _, _, new, kind in steps(obj, context)]
    assert kinds[-2:] == [("claim", "ONGOING"), ("finish", "SUCCEEDED")]
    assert worker._running().leases == {}


def test_the_oldest_are_claimed_first_and_filters_apply(worker, context):
    goals = [factory.stored(Goal, context, name=name) for name in ("saving", "balance")]
    made = [waiting(Audit, context, goal_id=goals[n % 2].id) for n in range(6)]
    leases = claims.claim_many(context, Audit, 2, filters={"goal_name": "saving"})
    assert [lease.object.id for lease in leases] == [made[0].id, made[2].id]
    leases = claims.claim_many(context, Audit, 10)
    assert [lease.object.id for lease in leases] == [made[n].id for n in (1, 3, 4, 5)]


def test_a_lease_writes_fields_and_changes_of_its_object(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    lease.object.parameters["step"] = 1
    lease.save(status_message="half way")
    lease.finish("FAILED", status_message="no hosts")
    read = Audit.get(context, lease.object.id)
    assert (read.parameters["step"], read.status_message) == (1, "no hosts")
    assert read == lease.object
    assert lease.object.obj_what_changed() == set()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"state": "FAILED"}, exception.InvalidParameter),
        ({"nothing": 1}, exception.UnknownField),
        ({"uuid": "x"}, exception.WatcherException),
        ({"name": "n" * 64}, exception.InvalidValue),
        ({"goal_id": 10**6}, exception.GoalNotFound),
    ],
)
def test_what_cannot_be_written_changes_nothing(fields, error, worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    before = lease.object.as_dict()
    with pytest.raises(error):
        lease.save(**fields)
    assert lease.object.as_dict() == before == Audit.get(context, lease.object.id).as_dict()
    lease.check()


def test_an_illegal_end_is_rejected_and_the_lease_stays(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    with pytest.raises(exception.InvalidStateTransition):
        lease.finish("PENDING")
    with pytest.raises(exception.InvalidState):
        lease.finish("DONE")
    lease.finish("SUCCEEDED")


@pytest.mark.parametrize("state", ["CANCELLED", "SUSPENDED"])
def test_an_operator_revokes_a_lease(state, worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    audit = Audit.get(context, lease.object.id)
    audit.state = state
    audit.save()
    lease.check()
    for write in (lambda: lease.finish("SUCCEEDED"), lease.save, lease.give_back, lease.check):
        with pytest.raises(exception.LeaseLost) as caught:
            write()
        assert caught.value.initial == state
    assert Audit.get(context, audit.id).state == state


def test_a_soft_deletion_and_a_destruction_revoke_a_lease(worker, context):
    for end in (ActionPlan.soft_delete, ActionPlan.destroy):
        waiting(ActionPlan, context)
        lease = claims.claim_next(context, ActionPlan)
        plan = ActionPlan.get(context, lease.object.id)
        if end is ActionPlan.soft_delete:
            plan.state = "FAILED"
            plan.save()
        end(plan)
        with pytest.raises(exception.LeaseLost):
            lease.finish("SUCCEEDED")


def test_another_program_that_writes_the_state_revokes_a_lease(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    with db.get_engine().begin() as connection:
        connection.execute(sa.update(models.audits).values(state="CANCELLED"))
    with pytest.raises(exception.LeaseLost) as caught:
        lease.finish("SUCCEEDED")
    assert caught.value.initial == "CANCELLED"


def test_what_a_dead_worker_left_is_taken_over_and_it_writes_no_more(worker, other, context):
    obj = waiting(Audit, context)
    late = claims.claim_next(context, Audit, worker)
    assert claims.take_over(Audit, worker=other) == []
    expire(worker)
    (lease,) = claims.take_over(Audit, worker=other)
    assert (lease.object.uuid, lease.object.state) == (obj.uuid, "ONGOING")
    assert lease.attempts == 2
    assert lease.token > late.token
    for write in (lambda: late.finish("SUCCEEDED"), lambda: late.save(status_message="late")):
        with pytest.raises(exception.LeaseLost):
            write()
    lease.finish("SUCCEEDED")
    assert [kind for *_, kind in steps(obj, context)][1:] == ["claim", "takeover", "finish"]


def test_what_a_removed_worker_left_is_taken_over(worker, other, context):
    waiting(Audit, context)
    claims.claim_next(context, Audit, worker)
    with db.get_engine().begin() as connection:
        connection.execute(sa.delete(models.workers).where(models.workers.c.id == worker.id))
    assert len(claims.take_over(Audit, worker=other)) == 1


def test_a_worker_that_is_alive_again_keeps_what_nobody_took(worker, other, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit, worker)
    expire(worker)
    worker._running().beat()
    assert claims.take_over(Audit, worker=other) == []
    lease.finish("SUCCEEDED")


def test_after_the_last_attempt_an_object_ends(worker, other, context, published):
    obj = waiting(Audit, context)
    for attempt in (1, 2):
        find = claims.take_over(Audit) if attempt > 1 else claims.claim_many(context, Audit, 1)
        assert [lease.attempts for lease in find] == [attempt]
        find[0].give_back()
    published.clear()
    assert claims.take_over(Audit, attempts=2) == []
    ended = Audit.get(context, obj.id)
    assert ended.state == "FAILED"
    assert "2 attempts" in ended.status_message
    assert [(event.kind, event.old_state) for event in published] == [("update", "ONGOING")]
    assert row(obj)[:2] == (None, None)
    assert steps(obj, context)[-1][1:] == ("ONGOING", "FAILED", "takeover")


def test_the_end_must_be_a_legal_transition(worker):
    with pytest.raises(exception.InvalidStateTransition):
        claims.take_over(Audit, then="PENDING")


def test_what_is_given_back_waits_as_long_as_asked(worker, other, context):
    waiting(Audit, context)
    claims.claim_next(context, Audit).give_back(after=1000)
    assert claims.take_over(Audit) == []
    with db.get_engine().begin() as connection:
        connection.execute(sa.update(models.audits).values(available_at=YESTERDAY))
    (lease,) = claims.take_over(Audit, worker=other)
    assert lease.attempts == 2


def test_a_resumed_object_is_taken_over(worker, context):
    waiting(Audit, context)
    claims.claim_next(context, Audit)
    audit = Audit.list(context)[0]
    for state in ("SUSPENDED", "ONGOING"):
        audit.state = state
        audit.save()
        worker._running().beat()
    (lease,) = claims.take_over(Audit)
    # An operator who pauses an audit does not use up its attempts.
    assert lease.attempts == 1
    lease.finish("SUCCEEDED")


def test_what_was_given_back_and_paused_is_taken_over_once_resumed(worker, context):
    waiting(Audit, context)
    claims.claim_next(context, Audit)._give_back_uncounted()
    audit = Audit.list(context)[0]
    for state in ("SUSPENDED", "ONGOING"):
        audit.state = state
        audit.save()
    (lease,) = claims.take_over(Audit)
    assert lease.attempts == 1


def test_what_an_engine_without_claims_runs_is_not_taken_over(worker, context):
    audit = waiting(Audit, context, audit_type="EVENT")
    lease = claims.claim_next(context, Audit)
    lease.finish("SUCCEEDED")
    audit.refresh()
    audit.state = "ONGOING"
    audit.save()
    assert claims.take_over(Audit) == claims.due(Audit) == []


def test_one_worker_claims_an_object_by_its_id(worker, other, context):
    audit = waiting(Audit, context)
    won, rejected = [], []

    def attempt(by):
        try:
            won.append(claims.claim(context, Audit, audit.uuid, by))
        except exception.InvalidStateTransition as error:
            rejected.append(error.initial)

    threads = [
        threading.Thread(target=attempt, args=(by,)) for by in (worker, other) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), rejected) == (1, ["ONGOING"] * 5)


@pytest.mark.parametrize("profile", ["strict", "watcher"])
def test_in_no_profile_two_workers_claim_an_object(profile, url, context):
    db.configure(url, transitions=profile)
    with Worker(context):
        plan = waiting(ActionPlan, context)
        claims.claim(context, ActionPlan, plan.id)
        with pytest.raises(exception.InvalidStateTransition):
            claims.claim(context, ActionPlan, plan.id)
    db.dispose()


def test_which_objects_can_be_claimed_by_id(worker, context):
    audit = waiting(Audit, context, audit_type="EVENT")
    claims.claim(context, Audit, audit.id).finish("SUCCEEDED")
    lease = claims.claim(context, Audit, audit.id)
    assert (lease.attempts, lease.object.old_state) == (1, "SUCCEEDED")
    audit.refresh()
    audit.state = "SUSPENDED"
    audit.save()
    with pytest.raises(exception.InvalidStateTransition) as caught:
        claims.claim(context, Audit, audit.id)
    assert caught.value.initial == "SUSPENDED"
    with pytest.raises(exception.AuditNotFound):
        claims.claim(context, Audit, 10**6)


def test_a_continuous_audit_runs_again_when_it_is_due(worker, other, context):
    audit = waiting(Audit, context, audit_type="CONTINUOUS")
    lease = claims.claim_next(context, Audit)
    lease.reschedule(YESTERDAY, status_message="done")
    assert lease.object.state == "ONGOING"
    assert row(audit)[:2] == (None, 0)
    with pytest.raises(exception.LeaseLost):
        lease.finish("SUCCEEDED")
    assert claims.take_over(Audit) == []
    (again,) = claims.due(Audit, worker=other)
    assert (again.attempts, again.object.state) == (1, "ONGOING")
    assert claims.due(Audit) == []
    again.reschedule(NEVER)
    assert claims.due(Audit) == []
    kinds = [kind for *_, kind in steps(audit, context)]
    assert kinds == ["create", "claim", "reschedule", "claim", "reschedule"]
    assert not any(step.gap for step in Transition.of(context, audit))


def test_a_due_run_that_died_is_taken_over(worker, other, context):
    waiting(Audit, context, audit_type="CONTINUOUS")
    claims.claim_next(context, Audit).reschedule(YESTERDAY)
    claims.due(Audit, worker=worker)
    expire(worker)
    assert claims.due(Audit, worker=other) == []
    (lease,) = claims.take_over(Audit, worker=other)
    assert lease.attempts == 2


@pytest.mark.parametrize("cls", [Goal, Worker, Transition])
def test_objects_without_work_cannot_be_claimed(cls, worker, context):
    with pytest.raises(exception.InvalidParameter):
        claims.claim_next(context, cls)


def test_only_audits_are_due(worker):
    with pytest.raises(exception.UnsupportedError):
        claims.due(ActionPlan)


def test_without_a_worker_nothing_is_claimed(database, context):
    with pytest.raises(exception.InvalidParameter):
        claims.claim_next(context, Audit)
    with pytest.raises(exception.InvalidParameter):
        claims.claim_next(context, Audit, Worker(context))


@pytest.mark.parametrize("ttl", [0, 86401, "x", None])
def test_a_ttl_that_cannot_be_used(ttl, context):
    with pytest.raises(exception.InvalidValue):
        Worker(context, ttl=ttl)


def test_at_its_end_a_worker_gives_back_what_it_holds(database, context):
    waiting(Audit, context)
    with Worker(context) as first:
        lease = claims.claim_next(context, Audit)
    with pytest.raises(exception.LeaseLost):
        lease.check()
    with pytest.raises(exception.WorkerNotFound):
        Worker.get(context, first.id)
    with Worker(context) as second:
        assert second.id > first.id
        (lease,) = claims.take_over(Audit)
        assert lease.attempts == 1
        del lease
        gc.collect()
    with Worker(context):
        (lease,) = claims.take_over(Audit)
        # A lease that was dropped was an attempt.
        assert lease.attempts == 2


def test_workers_that_have_been_dead_for_a_week_are_removed(worker, other, context):
    now = timeutils.utcnow()
    with db.get_engine().begin() as connection:
        for dead, days in ((worker, 8), (other, 6)):
            late = sa.update(models.workers).values(alive_until=now - datetime.timedelta(days))
            connection.execute(late.where(models.workers.c.id == dead.id))
    with Worker(context) as new:
        assert {one.id for one in Worker.list(context)} == {other.id, new.id}


def test_a_worker_is_an_object(worker, context):
    read = Worker.get_by_uuid(context, worker.uuid)
    assert (read.host, read.ttl) == ("host-1", 60)
    assert read.alive_until > read.started_at
    assert Worker.list(context) == [read]
    assert not read.is_alive


def test_a_worker_needs_no_transaction_and_a_claim_may_be_in_one(worker, context):
    waiting(Audit, context)
    with db.transaction(), pytest.raises(ovo_exception.ObjectActionError):
        Worker(context).__enter__()
    with rolled_back():
        lease = claims.claim_next(context, Audit)
        worker._running().beat()
        lease.check()
    with pytest.raises(exception.LeaseLost):
        lease.check()
    with db.transaction():
        lease = claims.claim_next(context, Audit)
        # Until the claim is committed, and its answer has arrived, a heartbeat waits for it.
        assert len(worker._running()._claims) == 1
        factory.stored(ActionPlan, context, audit_id=lease.object.id)
    assert not worker._running()._claims
    worker._running().beat()
    with rolled_back():
        lease.finish("SUCCEEDED")
    lease.check()
    lease.finish("SUCCEEDED")


def test_a_heartbeat_shows_that_leases_are_lost_and_the_states_of_their_objects(
    worker, other, context
):
    for cls in (Audit, Audit, Audit, Audit, ActionPlan):
        waiting(cls, context)
    leases = claims.claim_many(context, Audit, 4, worker)
    leases += claims.claim_many(context, ActionPlan, 1, worker)
    worker._running().beat()
    for lease in leases:
        lease.check()
    for lease, state in zip(leases, ("CANCELLED", "SUSPENDED"), strict=False):
        audit = Audit.get(context, lease.object.id)
        audit.state = state
        audit.save()
    expire(worker)
    assert len(claims.take_over(Audit, limit=1, worker=other)) == 1
    Audit.get(context, leases[3].object.id).destroy()
    leases[4].object.obj_clone().destroy()
    worker._running().beat()
    found = []
    for lease in leases:
        with pytest.raises(exception.LeaseLost) as caught:
            lease.check()
        found.append(caught.value.initial)
    assert found == ["CANCELLED", "SUSPENDED", "ONGOING", None, None]
    with pytest.raises(exception.LeaseLost, match="which is CANCELLED now"):
        leases[0].finish("SUCCEEDED")


def test_leases_are_lost_before_the_states_of_their_objects_are_read(worker, context, monkeypatch):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    audit = Audit.get(context, lease.object.id)
    audit.state = "CANCELLED"
    audit.save()

    was_over = []

    def unavailable(*args):
        was_over.append(lease.is_over)
        raise exception.DatabaseUnavailable(reason="of this test")

    monkeypatch.setattr(worker._running(), "_states", unavailable)
    worker._running().beat()
    assert was_over == [True]
    with pytest.raises(exception.LeaseLost) as caught:
        lease.check()
    assert caught.value.initial is None


def test_what_is_held_without_a_lease_is_given_back(worker, other, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit, worker)
    heartbeat = worker._running()
    heartbeat.discard(lease)
    with heartbeat.claiming():
        # The claim that is under way may explain it.
        heartbeat.beat()
        heartbeat.beat()
        assert row(lease.object)[:2] == (worker.id, 1)
    heartbeat.beat()
    assert row(lease.object)[:2] == (0, 0)
    (taken,) = claims.take_over(Audit, worker=other)
    assert taken.attempts == 1


def test_a_lease_that_was_dropped_is_given_back_as_an_attempt(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    audit = lease.object
    del lease
    gc.collect()
    for _ in range(2):
        worker._running().beat()
    assert row(audit)[:2] == (0, 1)


def test_a_loop_keeps_no_lease_that_its_caller_has_dropped(worker, context):
    waiting(Audit, context)
    loop = worker.claims(Audit)
    lease = weakref.ref(next(loop))
    gc.collect()
    assert lease() is None
    loop.close()


def test_a_lease_is_given_back_after_a_check_that_came_too_late(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    worker._running()._alive_until = 0
    with pytest.raises(exception.LeaseLost):
        lease.check()
    for _ in range(2):
        worker._running().beat()
    assert row(lease.object)[:2] == (0, 1)
    with pytest.raises(exception.LeaseLost):
        lease.finish("SUCCEEDED")


def test_a_worker_whose_row_is_gone_stops(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    with db.get_engine().begin() as connection:
        connection.execute(sa.delete(models.workers))
    with pytest.raises(exception.WorkerNotFound):
        worker._running().beat()
    with pytest.raises(exception.LeaseLost):
        lease.check()
    with pytest.raises(exception.WorkerLost):
        next(worker.claims(Audit))


def test_a_loop_claims_all_kinds_of_work_and_stops(worker, context):
    continuous = waiting(Audit, context, audit_type="CONTINUOUS")
    claims.claim(context, Audit, continuous.id).reschedule(YESTERDAY)
    left = waiting(Audit, context)
    claims.claim(context, Audit, left.id).give_back()
    new = [waiting(Audit, context).id for _ in range(3)]
    found = []
    for lease in worker.claims(Audit, batch=2):
        found.append(lease.object.id)
        lease.finish("SUCCEEDED")
        if len(found) == 5:
            worker.stop()
    assert found[0] == left.id
    assert sorted(found) == [continuous.id, left.id, *new]


def test_a_loop_that_is_left_gives_back_what_it_did_not_yield(worker, context):
    made = [waiting(Audit, context) for _ in range(3)]
    for lease in worker.claims(Audit, batch=3):
        lease.finish("SUCCEEDED")
        break
    assert [row(audit)[:2] for audit in made] == [(None, None), (0, 0), (0, 0)]


def waits(worker, monkeypatch, seconds):
    """Return how long a worker waits between looks while it finds nothing for so long."""
    found = []

    def wait(pause):
        found.append(pause)
        if sum(found) > seconds:
            worker.stop()
        return False

    monkeypatch.setattr(worker._running(), "wait", wait)
    assert list(worker.claims(ActionPlan)) == []
    return found


def test_an_idle_worker_looks_for_work_less_often(worker, monkeypatch):
    monkeypatch.setattr(worker._running(), "is_notified", False)
    found = waits(worker, monkeypatch, 3)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0.05, 0.15)


@pytest.mark.parametrize("batch", [0, -1, True, "x", None])
def test_a_batch_that_cannot_be_used(batch, worker):
    with pytest.raises(exception.InvalidParameter):
        next(worker.claims(Audit, batch=batch))


@pytest.mark.parametrize("limit", [0, True, "x", 10_001])
def test_a_limit_that_cannot_be_used(limit, worker, context):
    with pytest.raises(exception.InvalidParameter):
        claims.claim_many(context, Audit, limit)
    with pytest.raises(exception.InvalidParameter):
        claims.take_over(Audit, attempts=0 if limit == 10_001 else limit)


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), True, "x", None])
def test_a_pause_that_cannot_be_used(after, worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    with pytest.raises(exception.InvalidParameter):
        lease.give_back(after=after)
    lease.finish("SUCCEEDED")


def test_an_unknown_kind_of_work_is_rejected(worker):
    with pytest.raises(exception.InvalidParameter):
        worker.claim("Audit", "abandoned", 1)


def test_all_claims_are_published_with_their_old_state(worker, context, published):
    waiting(Audit, context)
    published.clear()
    lease = claims.claim_next(context, Audit)
    lease.finish("SUCCEEDED")
    found = [(event.kind, event.old_state) for event in published]
    assert found == [("update", "PENDING"), ("update", "ONGOING")]


def test_the_database_closes_the_gap_that_stale_claims_could_use(worker, other, context):
    """A claim of a candidate that another worker has claimed since matches nothing."""
    from watcher_objects.db import claims as rows
    from watcher_objects.db.sql import claims as statements

    waiting(Audit, context)
    claims.claim_next(context, Audit, worker).give_back()
    request = rows.Request(models.audits, other._claimant(), 1)
    wanted = request.wanted(rows.Kind.ABANDONED)
    (candidate,) = statements.candidates(wanted, 1)
    (lease,) = claims.take_over(Audit, worker=worker)
    bound = rows._bound(models.audits, request.claimant, 3)
    assert statements.claim_candidate(wanted, candidate, bound, None) is None
    lease.finish("SUCCEEDED")


def test_claims_are_the_same_with_a_listener_and_in_a_transaction(worker, context):
    made = [waiting(Audit, context) for _ in range(6)]
    leases = claims.claim_many(context, Audit, 2)
    with db.transaction():
        leases += claims.claim_many(context, Audit, 2)
    sent = []
    sa.event.listen(db.get_engine(), "before_cursor_execute", lambda *args: sent.append(args[2]))
    leases += claims.claim_many(context, Audit, 9)
    assert [lease.object.id for lease in leases] == [one.id for one in made]
    assert len(sent) > 0
    assert {steps(lease.object, context)[-1][2:] for lease in leases} == {("ONGOING", "claim")}


def test_workers_are_woken_by_what_waits_and_by_nothing_else(database, context, monkeypatch):
    woken = []
    monkeypatch.setattr(wakeups, "announce", lambda table: woken.append(table.name))
    audit, plan = factory.stored(Audit, context), factory.stored(ActionPlan, context)
    assert woken == ["audits", "audits"]
    woken.clear()
    audit.status_message = "still waiting"
    audit.save()
    audit.destroy()
    assert woken == []
    with db.transaction():
        plan.state = "PENDING"
        plan.save()
        assert woken == []
    assert woken == ["action_plans"]
