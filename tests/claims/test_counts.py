# SPDX-License-Identifier: Apache-2.0
"""How much work there is, and who holds it, as the database counts it."""

import datetime

import pytest
import sqlalchemy as sa

from tests import factory, messaging
from tests.claims.test_claims import NEVER, YESTERDAY, expire, waiting
from watcher_objects import Action, ActionPlan, Audit, Worker, claims, db, exception, rpc
from watcher_objects.claims import Work, WorkerCount
from watcher_objects.db import work
from watcher_objects.rpc import client

NOTHING = Work(waiting=0, oldest=None, running=0, due=0, abandoned=0)


@pytest.fixture
def worker(database, context):
    with Worker(context, host="host-1") as one:
        yield one


def write(table, **columns):
    with db.get_engine().begin() as connection:
        connection.execute(sa.update(table).values(**columns))


def rounded(counts):
    """Counts of which the age is a number of minutes, as time passes."""
    return counts._replace(oldest=None if counts.oldest is None else counts.oldest // 60)


def test_without_work_all_numbers_are_zero(database):
    found = claims.statistics()
    assert found.workers == WorkerCount(alive=0, dead=0)
    assert found.work == dict.fromkeys(("Audit", "ActionPlan", "Action"), NOTHING)


@pytest.mark.parametrize("cls", [Audit, ActionPlan, Action])
def test_each_object_is_counted_by_what_becomes_of_it(cls, worker, context):
    for _ in range(6):
        waiting(cls, context)
    first, second, _ = claims.claim_many(context, cls, 3)
    assert rounded(claims.statistics(context).work[cls.obj_name()]) == Work(3, 0, 3, 0, 0)
    first.give_back()
    second.finish("SUCCEEDED")
    assert rounded(work.count(cls.table)) == Work(3, 0, 1, 0, 1)
    expire(worker)
    assert rounded(work.count(cls.table)) == Work(3, 0, 0, 0, 2)
    assert work.count_workers() == WorkerCount(alive=0, dead=1)


def test_continuous_audits_are_due_when_their_time_has_passed(worker, context):
    for next_run in (YESTERDAY, NEVER):
        waiting(Audit, context, audit_type="CONTINUOUS")
        claims.claim_next(context, Audit).reschedule(next_run)
    assert work.count(Audit.table) == NOTHING._replace(due=1)


def test_what_is_given_back_for_later_is_not_abandoned_until_then(worker, context):
    waiting(Audit, context)
    claims.claim_next(context, Audit).give_back(after=1000)
    assert work.count(Audit.table) == NOTHING


def test_what_a_program_runs_without_claims_is_not_abandoned(database, context):
    factory.stored(Audit, context)
    write(Audit.table, state="ONGOING")
    assert work.count(Audit.table) == NOTHING


def test_the_age_is_that_of_the_oldest_write(database, context):
    old, new = (waiting(Audit, context) for _ in range(2))
    moment = work.now()
    write(Audit.table, created_at=moment - datetime.timedelta(hours=2))
    assert 7200 <= work.count(Audit.table).oldest < 7260
    for audit, hours in ((old, 1), (new, 0)):
        written = moment - datetime.timedelta(hours=hours)
        with db.get_engine().begin() as connection:
            of_audit = Audit.table.c.id == audit.id
            connection.execute(sa.update(Audit.table).where(of_audit).values(updated_at=written))
    assert 3600 <= work.count(Audit.table).oldest < 3660
    # A clock may be fast.
    write(Audit.table, updated_at=moment + datetime.timedelta(hours=1))
    assert work.count(Audit.table).oldest == 0


def test_filters_apply_and_soft_deleted_rows_do_not_count(database, context):
    for name in ("a", "b", "c"):
        waiting(Audit, context, name=name)
    assert work.count(Audit.table, {"name__in": ["a", "b"]}).waiting == 2
    write(Audit.table, deleted=Audit.table.c.id)
    assert work.count(Audit.table) == NOTHING
    with pytest.raises(exception.InvalidFilter):
        work.count(Audit.table, {"nothing": 1})


def test_the_number_of_statements_does_not_depend_on_the_rows(worker, context, statements):
    for _ in range(5):
        waiting(Audit, context)
    claims.claim_many(context, Audit, 2)
    statements.clear()
    claims.statistics()
    assert len(statements) == 4


def test_what_workers_hold_and_who_holds_it(worker, context):
    audits = [waiting(Audit, context) for _ in range(5)]
    held, dropped, ended = claims.claim_many(context, Audit, 3)
    dropped.give_back()
    ended.finish("SUCCEEDED")
    assert work.held(Audit.table) == {worker.id: 1}
    assert work.held(Action.table) == {}
    by = [work.holders(Audit.table, [audit.id for audit in audits])[a.id] for a in audits]
    assert by[0] == work.Holder(worker.uuid, is_alive=True, attempts=1)
    assert by[1] == work.Holder(None, is_alive=False, attempts=1)
    assert by[2:] == [work.Holder()] * 3
    expire(worker)
    found = work.holders(Audit.table, [held.object.id])
    assert found == {held.object.id: by[0]._replace(is_alive=False)}


def test_many_rows_are_looked_up_in_few_statements(database, context, statements, monkeypatch):
    audits = [waiting(Audit, context) for _ in range(3)]
    monkeypatch.setattr(work, "MANY", 2)
    statements.clear()
    assert len(work.holders(Audit.table, [audit.id for audit in audits])) == 3
    assert len(statements) == 2


def test_a_process_without_a_database_asks_a_server(worker, context):
    waiting(Audit, context)
    with messaging.serving("fake://", client.TOPIC):
        rpc.enable("fake://")
        try:
            found = claims.statistics()
        finally:
            rpc.disable()
    assert found.workers == WorkerCount(alive=1, dead=0)
    assert rounded(found.work["Audit"]) == NOTHING._replace(waiting=1, oldest=0)
    assert found.work.keys() == claims.statistics().work.keys()
