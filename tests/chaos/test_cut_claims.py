# SPDX-License-Identifier: Apache-2.0
"""The network is cut at each message of a claim, or of a write through a lease."""

import datetime
import functools
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests import factory
from tests.chaos.calls import STATEMENTS
from tests.chaos.tiers import LONG
from watcher_objects import Audit, Transition, Worker, claims, db, exception
from watcher_objects.claims.heartbeat import Heartbeat
from watcher_objects.db import models
from watcher_objects.db.backend import database as backend

pytestmark = pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)

YESTERDAY = datetime.datetime(2020, 1, 1)
#: Objects that can be claimed, of which so many are.
AUDITS, BATCH = 4, 3


@pytest.fixture
def worker(proxy, context, monkeypatch):
    """A worker that sends a heartbeat when the test does."""
    monkeypatch.setattr(Heartbeat, "start", lambda self: None)
    with Worker(context, ttl=3600) as one:
        yield one


@pytest.fixture(params=["in order", "by candidates"])
def distribution(request, worker):
    """How rows are chosen: as they come, or one by one as on a cluster."""
    backend.current().is_cluster_node = request.param == "by candidates"


def waiting(context, audit_type="ONESHOT"):
    return [factory.stored(Audit, context, audit_type=audit_type) for _ in range(AUDITS)]


def claim_many(context):
    waiting(context)
    return lambda: claims.claim_many(context, Audit, BATCH)


def claim(context):
    audits = waiting(context)
    return lambda: [claims.claim(context, Audit, audit.uuid) for audit in audits[:BATCH]]


def due(context):
    waiting(context, "CONTINUOUS")
    for lease in claims.claim_many(context, Audit, AUDITS):
        lease.reschedule(YESTERDAY)
    return lambda: claims.due(Audit, BATCH)


def take_over(context):
    waiting(context)
    for lease in claims.claim_many(context, Audit, AUDITS):
        lease.give_back()
    return lambda: claims.take_over(Audit, limit=BATCH)


CLAIMS: dict[str, Callable] = {one.__name__: one for one in (claim_many, claim, due, take_over)}


def cut(proxy, call, at, **how):
    with proxy.failing(at, **how):
        return call()


def each_cut(proxy, context, prepare, **how):
    """Yield a call that is cut at its first message, one that is at its second, up to the last."""
    for at in range(1, STATEMENTS):
        yield functools.partial(cut, proxy, prepare(context), at, **how)
        if not proxy.raised:
            return
    raise AssertionError(f"more than {STATEMENTS} messages")


def held(worker):
    """Return the uuids and tokens of what the rows say that a worker holds."""
    table = models.audits
    select = sa.select(table.c.uuid, table.c.moves).where(table.c.worker_id == worker.id)
    with db.get_engine().connect() as connection:
        return sorted(map(tuple, connection.execute(select)))


def check(worker, context, leases):
    """Check that there is one lease on each row that is held, and no gap in the journal."""
    assert sorted((lease.object.uuid, lease.token) for lease in leases) == held(worker)
    for audit in Audit.list(context):
        steps = Transition.of(context, audit)[::-1]
        assert [step.seq for step in steps] == [*range(1, len(steps) + 1)]
        assert not any(step.gap for step in steps)


def end(leases):
    """End leases, and what else waits for a worker."""
    for lease in leases:
        lease.finish("SUCCEEDED")
    with db.get_engine().begin() as connection:
        connection.execute(sa.update(models.audits).values(state="CANCELLED", worker_id=None))


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_returns_what_it_has_claimed(proxy, worker, distribution, context, name, done):
    for call in each_cut(proxy, context, CLAIMS[name], done=done):
        leases = call()
        assert len(leases) == BATCH
        check(worker, context, leases)
        worker._running().beat()
        worker._running().beat()
        check(worker, context, leases)
        end(leases)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_that_comes_late_is_given_back(proxy, worker, context, name):
    for call in each_cut(proxy, context, CLAIMS[name], late=True):
        leases = call()
        for _ in range(2):
            worker._running().beat()
        check(worker, context, leases)
        end(leases)


def test_a_lost_claim_is_found_without_a_journal(proxy, worker, distribution, context):
    backend.current().journal = False
    for call in each_cut(proxy, context, claim_many, done=True):
        leases = call()
        assert len(leases) == BATCH
        for _ in range(2):
            worker._running().beat()
        assert sorted((lease.object.uuid, lease.token) for lease in leases) == held(worker)
        end(leases)


def test_claims_of_several_threads_share_no_row(proxy, worker, context):
    """A claim that another one overtakes adopts only its own rows when its answer is lost."""
    backend.current().is_cluster_node = False
    audits, others = waiting(context), []

    def overtake():
        proxy.at = None
        others.extend(claims.claim_many(context, Audit, 1, worker))

    with proxy.failing(1, True, overtake):
        leases = claims.claim_many(context, Audit, 1)
    assert [lease.object.id for lease in leases + others] == [audits[0].id, audits[1].id]
    check(worker, context, leases + others)


def test_an_object_that_is_ended_for_want_of_attempts_is_published(
    proxy, worker, context, published
):
    def abandoned(context):
        take_over(context)
        published.clear()
        return lambda: claims.take_over(Audit, attempts=1, limit=AUDITS)

    for call in each_cut(proxy, context, abandoned, done=True):
        assert call() == []
        assert [(one.kind, one.obj.state) for one in published] == [("update", "FAILED")] * AUDITS
        check(worker, context, [])


WRITES = {
    "save": lambda lease: lease.save(status_message="half way"),
    "finish": lambda lease: lease.finish("SUCCEEDED", status_message="half way"),
    "give_back": lambda lease: lease.give_back(after=60),
    "reschedule": lambda lease: lease.reschedule(YESTERDAY, status_message="half way"),
}
ENDS = sorted(WRITES.keys() - {"save"})


def leased(context):
    factory.stored(Audit, context, audit_type="CONTINUOUS")
    return claims.claim_next(context, Audit)


def writing(name, context):
    """Return a function that writes through a new lease, and returns it."""
    lease = leased(context)

    def write():
        WRITES[name](lease)
        return lease

    return write


@pytest.mark.parametrize("with_journal", [True, False] if LONG else [True])
@pytest.mark.parametrize("done", [False, True] if LONG else [True])
@pytest.mark.parametrize("name", WRITES)
def test_a_write_through_a_lease_happens_once(proxy, worker, context, name, done, with_journal):
    backend.current().journal = with_journal
    for call in each_cut(proxy, context, functools.partial(writing, name), done=done):
        lease = call()
        assert lease.is_over is (name != "save")
        read = Audit.get(context, lease.object.id)
        assert read == lease.object
        moves = [step.kind for step in Transition.of(context, read)]
        assert moves.count(name) == (with_journal and name != "save")
        if name == "save":
            lease.finish("SUCCEEDED")
        worker._running().beat()
        assert held(worker) == []
        end([])


def finish_many(context, has_changes):
    """Return a function that finishes leases, of which the first is lost, and returns those."""
    waiting(context)
    leases = claims.claim_many(context, Audit, BATCH)
    others(None, leases[0])()
    if has_changes:
        leases[1].object.status_message = "of its own"

    def write():
        return leases, claims.finish_many(leases, "SUCCEEDED", hostname="host-1")

    return write


@pytest.mark.parametrize("with_journal", [True, False])
@pytest.mark.parametrize("has_changes", [True, False])
@pytest.mark.parametrize("how", [{"done": True}, {"done": False}, {"late": True}])
def test_leases_are_finished_once(proxy, worker, context, how, has_changes, with_journal):
    backend.current().journal = with_journal
    prepare = functools.partial(finish_many, has_changes=has_changes)
    for call in each_cut(proxy, context, prepare, **how):
        try:
            leases, lost = call()
        except exception.OutcomeUnknown:
            # Without a journal nobody can say when the first lease was lost.
            assert not with_journal
            end([])
            continue
        assert [*lost] == leases[:1]
        for lease in leases[1:]:
            read = Audit.get(context, lease.object.id)
            assert read == lease.object
            assert (read.state, read.hostname) == ("SUCCEEDED", "host-1")
            moves = [step.kind for step in Transition.of(context, read)]
            assert moves.count("finish") == with_journal
        worker._running().beat()
        assert held(worker) == []
        end([])


def test_leases_that_others_have_written_over_are_not_lost(proxy, worker, context):
    waiting(context)
    leases = claims.claim_many(context, Audit, BATCH)

    def overtake():
        proxy.at = None
        Audit.get(context, leases[0].object.id).soft_delete()
        Audit.get(context, leases[1].object.id).destroy()

    with proxy.failing(1, True, overtake):
        assert claims.finish_many(leases, "SUCCEEDED") == {}
    assert proxy.raised


def others(worker, lease, state="CANCELLED"):
    """Return what an operator does with an audit."""

    def write():
        audit = Audit.get(lease.object._context, lease.object.id)
        audit.state = state
        audit.save()

    return write


@pytest.mark.parametrize("name", ENDS)
def test_an_end_that_others_have_written_over_is_not_lost(proxy, worker, context, name):
    lease = leased(context)

    def destroy():
        Audit.get(context, lease.object.id).destroy()

    with proxy.failing(1, True, destroy):
        WRITES[name](lease)
    assert proxy.raised
    assert lease.is_over


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_an_operator_comes_before_is_lost(proxy, worker, context, name):
    lease = leased(context)
    with proxy.failing(1, False, others(worker, lease)), pytest.raises(exception.LeaseLost):
        WRITES[name](lease)
    assert proxy.raised
    assert Audit.get(context, lease.object.id).status_message != "half way"


def test_a_claim_that_was_taken_over_before_its_answer_is_fenced(proxy, worker, context):
    """The lease has the token of the claim, not the one of the row as it is then."""
    audit = factory.stored(Audit, context)
    taken = []

    def take_over():
        proxy.at = None
        with db.get_engine().begin() as connection:
            connection.execute(sa.update(models.audits).values(worker_id=0))
        taken.extend(claims.take_over(Audit, worker=worker))

    with proxy.failing(1, True, take_over):
        lease = claims.claim(context, Audit, audit.id)
    (other,) = taken
    assert other.token == lease.token + 1
    with pytest.raises(exception.LeaseLost):
        lease.finish("FAILED")
    other.finish("SUCCEEDED")


def test_a_claim_of_what_was_destroyed_before_its_answer(proxy, worker, context):
    audit = factory.stored(Audit, context)
    with (
        proxy.failing(1, True, lambda: Audit.get(context, audit.id).destroy()),
        pytest.raises(exception.AuditNotFound),
    ):
        claims.claim(context, Audit, audit.id)
    assert proxy.raised


def test_a_worker_is_registered_once(proxy, database, context, monkeypatch):
    monkeypatch.setattr(Heartbeat, "start", lambda self: None)

    def registered(context):
        one = Worker(context)
        return lambda: (one.register(), one)[1]

    for done in (False, True):
        for call in each_cut(proxy, context, registered, done=done):
            one = call()
            assert Worker.list(context) == [Worker.get(context, one.id)]
            one.unregister()
            assert Worker.list(context) == []
