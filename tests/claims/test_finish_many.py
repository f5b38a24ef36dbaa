# SPDX-License-Identifier: Apache-2.0
"""Leases that are finished together: each is judged by its own token."""

import pytest
import sqlalchemy as sa

from tests.claims.test_claims import CLAIMABLE, expire, other, rolled_back, row, waiting, worker
from tests.test_journal import steps
from watcher_objects import Audit, claims, db, exception
from watcher_objects.db import cursors, models
from watcher_objects.db import leases as db_leases

__all__ = ["other", "worker"]


def claimed(context, cls=Audit, number=3, by=None):
    """Return leases on new objects, in the order of their ids."""
    for _ in range(number):
        waiting(cls, context)
    return claims.claim_many(context, cls, number, by)


def written(context, obj):
    """Return an object's state and the kinds of its transitions since its claim."""
    kinds = [kind for *_, kind in steps(obj, context)]
    return type(obj).get(context, obj.id).state, kinds[kinds.index("claim") + 1 :]


@pytest.mark.parametrize("cls", CLAIMABLE)
def test_leases_are_finished_together(cls, worker, context, published):
    leases = claimed(context, cls)
    published.clear()
    assert claims.finish_many(leases, "SUCCEEDED", status_message="done") == {}
    for lease in leases:
        obj = cls.get(context, lease.object.id)
        assert obj == lease.object
        assert (obj.state, obj.status_message) == ("SUCCEEDED", "done")
        assert lease.object.old_state == "ONGOING"
        assert lease.object.obj_what_changed() == set()
        assert row(obj) == (None, None, lease.token + 1, "SUCCEEDED")
        assert steps(obj, context)[-1][1:] == ("ONGOING", "SUCCEEDED", "finish")
        assert lease.is_over
    found = [(event.kind, event.obj.uuid, event.old_state) for event in published]
    assert found == [("update", lease.object.uuid, "ONGOING") for lease in leases]
    assert worker._running().leases == {}


def test_a_lost_lease_does_not_stop_the_others(worker, other, context):
    leases = claimed(context, number=6, by=worker)
    cancelled, taken, foreign, over, gone, held = leases
    audit = Audit.get(context, cancelled.object.id)
    audit.state = "CANCELLED"
    audit.save()
    over.finish("FAILED")
    gone.object.obj_clone().destroy()
    with db.get_engine().begin() as connection:
        late = sa.update(models.audits).where(models.audits.c.id == foreign.object.id)
        connection.execute(late.values(state="FAILED"))
    expire(worker)
    (again,) = claims.take_over(Audit, filters={"uuid": taken.object.uuid}, worker=other)
    lost = claims.finish_many(leases, "SUCCEEDED")
    states = [(lease, error.initial) for lease, error in lost.items()]
    expected = ["CANCELLED", "ONGOING", "FAILED", None, None]
    assert states == [*zip((cancelled, taken, foreign, over, gone), expected, strict=True)]
    assert written(context, held.object) == ("SUCCEEDED", ["finish"])
    assert written(context, taken.object) == ("ONGOING", ["takeover"])
    for lease in lost:
        with pytest.raises(exception.LeaseLost):
            lease.check()
    assert [*claims.finish_many(lost, "SUCCEEDED")] == [*lost]
    again.finish("SUCCEEDED")


def test_changes_of_an_object_are_written_with_it(worker, context):
    leases = claimed(context, number=4)
    lost = leases[1]
    for number, lease in enumerate(leases[:3]):
        lease.object.parameters["step"] = number
        lease.object.status_message = "of its own"
    leases[0].object.name = "first"
    audit = Audit.get(context, lost.object.id)
    audit.state = "CANCELLED"
    audit.save()
    assert [*claims.finish_many(leases, "FAILED", status_message="no hosts")] == [lost]
    found = [Audit.get(context, lease.object.id) for lease in leases]
    assert [audit.state for audit in found] == ["FAILED", "CANCELLED", "FAILED", "FAILED"]
    assert [found[number].parameters.get("step") for number in (0, 2, 3)] == [0, 2, None]
    assert (found[0].name, found[0].status_message) == ("first", "no hosts")


@pytest.mark.parametrize(
    ("state", "fields", "error"),
    [
        ("PENDING", {}, exception.InvalidStateTransition),
        ("DONE", {}, exception.InvalidState),
        ("SUCCEEDED", {"nothing": 1}, exception.UnknownField),
        ("SUCCEEDED", {"goal_id": 10**6}, exception.GoalNotFound),
        ("SUCCEEDED", {"name": "taken"}, exception.AuditAlreadyExists),
    ],
)
def test_an_error_writes_nothing(state, fields, error, worker, context):
    leases = claimed(context)
    with pytest.raises(error):
        claims.finish_many(leases, state, **fields)
    assert {written(context, lease.object)[0] for lease in leases} == {"ONGOING"}
    assert claims.finish_many(leases, "SUCCEEDED") == {}


def test_an_error_of_one_object_writes_nothing(worker, context):
    leases = claimed(context)
    leases[2].object.status_message = "x" * 256
    with pytest.raises(exception.InvalidValue):
        claims.finish_many(leases, "SUCCEEDED")
    leases[2].object.status_message = None
    leases[2].object.goal_id = 10**6
    with pytest.raises(exception.GoalNotFound):
        claims.finish_many(leases, "SUCCEEDED")
    assert {written(context, lease.object)[0] for lease in leases} == {"ONGOING"}
    leases[2].object.refresh()
    assert claims.finish_many(leases, "SUCCEEDED") == {}


def test_leases_are_of_one_worker_and_class(worker, other, context):
    waiting(Audit, context)
    mine = claims.claim_next(context, Audit, worker)
    waiting(Audit, context)
    theirs = claims.claim_next(context, Audit, other)
    with pytest.raises(exception.InvalidParameter):
        claims.finish_many([mine, theirs], "SUCCEEDED")
    assert claims.finish_many([], "SUCCEEDED") == {}
    assert claims.finish_many([mine, mine], "SUCCEEDED") == {}
    assert claims.finish_many(iter([theirs]), "SUCCEEDED") == {}


def test_leases_that_are_paused_are_given_back(worker, context):
    leases = claimed(context)
    assert claims.finish_many(leases, "SUSPENDED") == {}
    assert {row(lease.object)[:2] for lease in leases} == {(0, 0)}


def test_many_leases_are_finished_in_one_transaction(worker, context, monkeypatch):
    monkeypatch.setattr(db_leases, "TOGETHER", 2)
    leases = claimed(context, number=5)
    leases[4].object.goal_id = 10**6
    with pytest.raises(exception.GoalNotFound):
        claims.finish_many(leases, "SUCCEEDED")
    assert {written(context, lease.object)[0] for lease in leases} == {"ONGOING"}
    leases[4].object.refresh()
    assert claims.finish_many(leases, "SUCCEEDED") == {}
    assert {written(context, lease.object)[0] for lease in leases} == {"SUCCEEDED"}


def test_a_rollback_restores_leases(worker, context):
    leases = claimed(context)
    with rolled_back():
        assert claims.finish_many(leases, "SUCCEEDED") == {}
    for lease in leases:
        lease.check()
        assert lease.object.state == "ONGOING"
    with db.transaction():
        assert claims.finish_many(leases, "SUCCEEDED") == {}
    assert {written(context, lease.object)[0] for lease in leases} == {"SUCCEEDED"}


@pytest.mark.parametrize("number", [2, 20])
def test_one_statement_finishes_all(number, worker, context, monkeypatch):
    leases = claimed(context, number=number)
    sent, run = [], cursors._run

    def counted(connection, source, statement, values):
        sent.append(statement)
        return run(connection, source, statement, values)

    monkeypatch.setattr(cursors, "_run", counted)
    assert claims.finish_many(leases, "SUCCEEDED") == {}
    assert len(sent) == 1


def test_statements_are_the_same_with_a_listener(worker, context):
    leases = claimed(context)
    audit = Audit.get(context, leases[0].object.id)
    audit.state = "CANCELLED"
    audit.save()
    sent = []
    sa.event.listen(db.get_engine(), "before_cursor_execute", lambda *args: sent.append(args[2]))
    assert [*claims.finish_many(leases, "SUCCEEDED")] == leases[:1]
    assert len(sent) > 0
    assert {written(context, lease.object)[0] for lease in leases[1:]} == {"SUCCEEDED"}
    assert steps(leases[1].object, context)[-1][1:] == ("ONGOING", "SUCCEEDED", "finish")


def test_batches_are_claimed_and_finished(worker, context):
    made = [waiting(Audit, context) for _ in range(5)]
    found = []
    for leases in worker.batches(Audit, batch=2):
        found.append([lease.object.id for lease in leases])
        assert claims.finish_many(leases, "SUCCEEDED") == {}
        if sum(map(len, found)) == len(made):
            assert not worker.stopping
            worker.stop()
            assert worker.stopping
    assert [ident for batch in found for ident in batch] == [audit.id for audit in made]
    assert [len(batch) for batch in found] == [2, 2, 1]
