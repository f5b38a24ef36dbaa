# SPDX-License-Identifier: Apache-2.0
"""Workers in processes without a database, for which a server claims and writes."""

import datetime

import pytest
import sqlalchemy as sa

from tests import factory, messaging
from tests.claims.test_claims import YESTERDAY, expire, row, waiting, waits
from tests.test_rpc import NO_DRIVER, run_client
from watcher_objects import Audit, Goal, Transition, Worker, claims, db, exception, rpc
from watcher_objects.db import models
from watcher_objects.rpc.caller import Caller

ZONE = datetime.timezone(datetime.timedelta(hours=2))
NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=ZONE)
NOON_IN_UTC = datetime.datetime(2030, 1, 1, 10)


@pytest.fixture
def remote(database):
    """A server in this process, with a message bus that needs no broker, and its client."""
    with messaging.serving("fake://"):
        rpc.enable("fake://", topic=messaging.TOPIC, timeout=10)
        yield
        rpc.disable()


@pytest.fixture
def worker(remote, context):
    with Worker(context, host="host-1") as one:
        yield one


@pytest.fixture
def other(worker, context):
    with Worker(context, host="host-2") as one:
        yield one


def test_a_worker_claims_and_finishes(worker, context):
    audit = waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    assert (lease.object.uuid, lease.object.state, lease.attempts) == (audit.uuid, "ONGOING", 1)
    assert lease.object.old_state == "PENDING"
    lease.object.parameters["step"] = {"number": 1}
    lease.save(status_message="half way", interval="5")
    lease.finish("SUCCEEDED")
    assert (lease.object.state, lease.object.old_state) == ("SUCCEEDED", "ONGOING")
    read = Audit.get(context, audit.id)
    assert read == lease.object
    assert (read.parameters["step"], read.interval) == ({"number": 1}, "5")
    assert [step.kind for step in Transition.of(context, read)] == ["finish", "claim", "create"]


def test_an_idle_worker_asks_the_server_less_often(worker, monkeypatch):
    found = waits(worker, monkeypatch, 30)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0.05, 1)
    # Until there has been nothing for three seconds, as often as a worker with a database.
    assert next(one for one in found if one > 0.2) * 20 > 3
    assert len(found) < 80


def test_a_heartbeat_shows_that_a_lease_is_lost(worker, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    operated = Audit.get(context, lease.object.id)
    operated.state = "CANCELLED"
    operated.save()
    worker._running().beat()
    with pytest.raises(exception.LeaseLost) as caught:
        lease.check()
    assert caught.value.initial == "CANCELLED"


def test_leases_are_finished_together(worker, context):
    for _ in range(3):
        waiting(Audit, context)
    leases = claims.claim_many(context, Audit, 3)
    leases[1].object.parameters["step"] = {"number": 1}
    operated = Audit.get(context, leases[0].object.id)
    operated.state = "CANCELLED"
    operated.save()
    with pytest.raises(exception.InvalidStateTransition):
        claims.finish_many(leases, "PENDING")
    lost = claims.finish_many(leases, "FAILED", end_time=NOON)
    assert [(lease, error.initial) for lease, error in lost.items()] == [(leases[0], "CANCELLED")]
    with pytest.raises(exception.LeaseLost, match="CANCELLED"):
        leases[0].check()
    for lease in leases[1:]:
        read = Audit.get(context, lease.object.id)
        assert read == lease.object
        assert (read.state, read.end_time, lease.object.old_state) == (
            "FAILED",
            NOON_IN_UTC,
            "ONGOING",
        )
    assert leases[1].object.parameters["step"] == {"number": 1}


@pytest.mark.parametrize("leases", [[1], [["x", 1]], [["x", 1, None]], None])
def test_parts_of_leases_that_cannot_be_used(leases, worker):
    with pytest.raises(exception.InvalidParameter):
        worker.finish_many("Audit", leases, {"state": "SUCCEEDED"})


def test_filters_and_fields_may_be_times(worker, context):
    audits = [
        waiting(Audit, context, audit_type="CONTINUOUS", start_time=time)
        for time in (NOON, NOON + datetime.timedelta(hours=1))
    ]
    filters = {"start_time__gt": NOON}
    (lease,) = claims.claim_many(context, Audit, 2, filters=filters)
    assert lease.object.id == audits[1].id
    lease.save(end_time=NOON)
    lease.reschedule(NOON, end_time=None)
    assert (lease.object.next_run_time, lease.object.end_time) == (NOON_IN_UTC, None)
    assert claims.due(Audit) == []
    claims.claim(context, Audit, audits[0].uuid).reschedule(YESTERDAY)
    (again,) = claims.due(Audit, filters={"next_run_time__lt": NOON})
    assert again.object.id == audits[0].id


def test_errors_are_the_same(worker, context):
    audit = waiting(Audit, context)
    lease = claims.claim(context, Audit, audit.id)
    with pytest.raises(exception.InvalidStateTransition) as rejected:
        claims.claim(context, Audit, audit.id)
    assert (rejected.value.initial, rejected.value.new) == ("ONGOING", "ONGOING")
    with pytest.raises(exception.InvalidStateTransition):
        lease.finish("PENDING")
    with pytest.raises(exception.InvalidValue):
        lease.save(name="n" * 64)
    with pytest.raises(exception.InvalidParameter):
        claims.claim_next(context, Goal)
    operated = Audit.get(context, audit.id)
    operated.state = "CANCELLED"
    operated.save()
    with pytest.raises(exception.LeaseLost, match="CANCELLED") as lost:
        lease.finish("SUCCEEDED")
    assert lost.value.initial == "CANCELLED"
    with db.get_engine().begin() as connection:
        connection.execute(sa.delete(models.workers))
    with pytest.raises(exception.WorkerNotFound):
        worker._running().beat()
    with pytest.raises(exception.WorkerLost):
        claims.claim_next(context, Audit)


def test_what_a_dead_worker_left_is_taken_over(worker, other, context):
    waiting(Audit, context)
    late = claims.claim_next(context, Audit, worker)
    worker._running().beat()
    expire(worker)
    (lease,) = claims.take_over(Audit, worker=other)
    with pytest.raises(exception.LeaseLost):
        late.finish("SUCCEEDED")
    lease.give_back(after=60)
    assert claims.take_over(Audit, worker=other) == []


@pytest.fixture
def lost_replies(worker, monkeypatch):
    """The replies to the next requests are lost; the value is how many."""
    replies = [0]
    call = Caller.call

    def called(self, context, verb, method, request):
        answer = call(self, context, verb, method, request)
        if replies[0]:
            replies[0] -= 1
            raise exception.ReplyTimeout(method=method, seconds=1)
        return answer

    monkeypatch.setattr(Caller, "call", called)
    return replies


def test_a_claim_whose_reply_is_lost_is_given_back(worker, lost_replies, context):
    audit = waiting(Audit, context)
    lost_replies[0] = 1
    with pytest.raises(exception.ReplyTimeout):
        claims.claim_next(context, Audit)
    assert row(audit)[:2] == (worker.id, 1)
    assert claims.claim_next(context, Audit) is None
    worker._running().beat()
    worker._running().beat()
    assert row(audit)[:2] == (0, 0)
    (lease,) = claims.take_over(Audit)
    assert lease.attempts == 1


def test_a_loop_goes_on_over_lost_replies(worker, lost_replies, context):
    audits = [waiting(Audit, context) for _ in range(3)]
    lost_replies[0] = 2
    found = []
    for lease in worker.claims(Audit):
        # Nobody works on what was claimed without an answer.
        worker._running().beat()
        worker._running().beat()
        worker._running().beat()
        found.append(lease.object.id)
        lease.finish("SUCCEEDED")
        if len(found) == len(audits):
            worker.stop()
    assert sorted(found) == [audit.id for audit in audits]


def test_a_finish_whose_reply_is_lost_is_unknown_and_then_lost(worker, lost_replies, context):
    waiting(Audit, context)
    lease = claims.claim_next(context, Audit)
    lost_replies[0] = 1
    with pytest.raises(exception.ReplyTimeout):
        lease.finish("SUCCEEDED")
    assert Audit.get(context, lease.object.id).state == "SUCCEEDED"
    with pytest.raises(exception.LeaseLost) as caught:
        lease.finish("SUCCEEDED")
    assert caught.value.initial == "SUCCEEDED"


def test_read_only_objects_are_refreshed(remote, context):
    audit = waiting(Audit, context)
    step = Transition.latest(context, audit)
    step.refresh()
    assert step == Transition.latest(context, audit)


DATABASE_FREE = (
    NO_DRIVER
    + """\
from oslo_context.context import RequestContext
from watcher_objects import Audit, Worker, rpc
rpc.enable(sys.argv[1], topic=sys.argv[2], timeout=20)
with Worker(RequestContext(), host="far", ttl=60) as worker:
    for lease in worker.claims(Audit, batch=2):
        worker._running().beat()
        lease.check()
        lease.save(status_message="half way")
        lease.finish("SUCCEEDED")
        print(lease.object.state, lease.object.hostname, lease.attempts)
        if lease.object.name == "last":
            worker.stop()
rpc.disable()
"""
)


def test_a_process_without_any_driver_is_a_worker(sqlite, context):
    for name in ("first", "second", "last"):
        factory.stored(Audit, context, name=name)
    with messaging.serving(messaging.broker()):
        ran = run_client(DATABASE_FREE)
    assert (ran.stdout, ran.returncode) == ("SUCCEEDED far 1\n" * 3, 0), ran.stderr
    assert {audit.state for audit in Audit.list(context)} == {"SUCCEEDED"}
    assert Worker.list(context) == []
