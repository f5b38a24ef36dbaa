# SPDX-License-Identifier: Apache-2.0
"""The network is cut at each message of every call, before or after the server receives it."""

import contextlib
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

from tests import factory, servers
from tests.chaos.calls import CALLS, READS, STATEMENTS, WRITES, each_statement
from watcher_objects import Audit, Transition, db, exception
from watcher_objects.db.sql import write_outcome

pytestmark = pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)


# Of a read it makes no difference whether the server has received it.
@pytest.mark.parametrize(
    ("name", "done"),
    [*((name, True) for name in READS), *((n, done) for n in WRITES for done in (False, True))],
)
def test_a_cut_is_not_seen(proxy, footprint, context, name, done):
    expected = footprint.of(CALLS[name](context))
    for needed in each_statement(name, context, functools.partial(proxy.failing, done=done)):
        assert footprint.of(needed) == expected


#: The message that writes, where it is not the first.
AT = {"modify": 2, "claim_by_modify": 2}


@pytest.mark.parametrize(
    "name",
    [
        *("create", "create_named", "claim", "claim_of_a_plan", "soft_delete", "destroy"),
        *("conditional_update", "conditional_claim", "save_if", "merge", "modify"),
        "claim_by_modify",
    ],
)
def test_a_statement_that_comes_late_is_not_done_twice(proxy, footprint, context, name):
    expected = footprint.of(CALLS[name](context))
    needed = CALLS[name](context)
    with proxy.failing(AT.get(name, 1), late=True):
        assert footprint.of(needed) == expected
    assert proxy.raised


#: The number of statements that wait for a lock in our database.
WAITERS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx"
    " JOIN information_schema.processlist ON id = trx_mysql_thread_id"
    " WHERE trx_state = 'LOCK WAIT' AND db = database()",
}


@pytest.mark.parametrize(
    "name", ["claim", "soft_delete", "destroy", "conditional_update", "merge", "modify"]
)
def test_a_statement_that_outlives_its_client_is_not_done_twice(
    url, proxy, footprint, database, context, name
):
    expected = footprint.of(CALLS[name](context))
    needed = CALLS[name](context)
    row = needed[0][0]
    with (
        ThreadPoolExecutor(1) as pool,
        closing(servers.admin(url).connect()) as other,
        closing(servers.admin(url).connect()) as monitor,
    ):

        def wait(number):
            deadline = time.monotonic() + 20
            while monitor.exec_driver_sql(WAITERS[database]).scalar() != number:
                assert time.monotonic() < deadline
                # MariaDB updates it only ten times a second, if it is not read more often.
                time.sleep(0.2)

        other.exec_driver_sql("BEGIN")
        other.execute(sa.select(row.table.c.id).where(row.table.c.id == row.id).with_for_update())
        seen = pool.submit(footprint.of, needed)
        wait(1)
        proxy.cut()
        wait(2)
        other.exec_driver_sql("COMMIT")
        assert seen.result() == expected


@pytest.mark.parametrize("done", [False, True])
def test_the_outcome_of_a_transaction_whose_commit_is_cut_off_is_unknown(
    proxy, footprint, database, context, published, done
):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    published.clear()
    with (
        proxy.failing(3, done),
        pytest.raises(exception.OutcomeUnknown),
        db.transaction(),
    ):
        audit.save()
    assert (audit.obj_what_changed(), published) == ({"state"}, [])
    state = "ONGOING" if done else "PENDING"
    assert Audit.get(context, audit.id).state == state


@pytest.mark.parametrize("done", [False, True])
def test_a_connection_that_is_cut_off_while_it_is_made_is_not_seen(proxy, context, done):
    for at in range(1, STATEMENTS):
        db.configure(proxy.url)
        with proxy.failing(at, done):
            assert Audit.list(context) == []
        if not proxy.raised:
            break
    assert STATEMENTS > at > 5


def cancelled(audit):
    audit.state = "CANCELLED"
    audit.save()


def renamed(audit):
    audit.name = "by another"
    audit.save()


@pytest.mark.parametrize("change", [cancelled, renamed, Audit.destroy])
@pytest.mark.parametrize("clock", ["runs", "stands still"])
def test_a_claim_that_others_have_written_over_has_happened(
    proxy, footprint, context, published, monkeypatch, change, clock
):
    audit = factory.stored(Audit, context)
    if clock == "stands still":
        now = timeutils.utcnow()
        monkeypatch.setattr(timeutils, "utcnow", lambda: now)
    audit.state = "ONGOING"
    published.clear()
    with proxy.failing(1, True, lambda: change(Audit.get(context, audit.id))):
        audit.save()
    assert proxy.raised
    assert (audit.state, audit.old_state, audit.obj_what_changed()) == (
        "ONGOING",
        "PENDING",
        set(),
    )
    mine = [(e.kind, e.old_state, e.obj.state) for e in published if e.obj is audit]
    assert mine == [("update", "PENDING", "ONGOING")]
    first, second = Transition.of(context, audit)[::-1][:2]
    assert (first.kind, second.from_state, second.to_state) == ("create", "PENDING", "ONGOING")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (cancelled, exception.InvalidStateTransition),
        (renamed, None),
        (Audit.destroy, exception.AuditNotFound),
    ],
)
def test_a_claim_that_has_not_happened_is_judged_by_what_others_have_written(
    proxy, footprint, context, change, error
):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    expected = pytest.raises(error) if error else contextlib.nullcontext()
    with (
        proxy.failing(1, False, lambda: change(Audit.get(context, audit.id))),
        expected,
    ):
        audit.save()
    assert proxy.raised
    assert [t.to_state for t in Transition.of(context, audit)].count("ONGOING") == (error is None)


@pytest.mark.parametrize("change", [cancelled, renamed, Audit.destroy])
def test_a_creation_that_others_have_written_over_has_happened(
    proxy, footprint, context, published, change
):
    audit = factory.built(Audit, context)
    with proxy.failing(1, True, lambda: change(Audit.list(context)[-1])):
        audit.create()
    assert proxy.raised
    assert (audit.state, audit.obj_what_changed()) == ("PENDING", set())
    assert [t.kind for t in Transition.of(context, audit)].count("create") == 1


OVERWRITTEN = {
    "conditional_update": lambda audit: audit.conditional_update(
        {"hostname": "a"}, {"interval": "1"}
    ),
    "save_if": lambda audit: audit.save_if(interval="1"),
    "modify": lambda audit: Audit.modify(audit._context, audit.id, rename),
}


def rename(audit):
    audit.hostname = "mine"


def others(audit, **changes):
    """Return a function that writes changes with another object."""

    def write():
        other = Audit.get(audit._context, audit.id)
        for name, value in changes.items():
            other[name] = value
        other.save()

    return write


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("name", OVERWRITTEN)
def test_a_conditional_write_that_others_have_written_over_may_have_happened(
    proxy, footprint, context, name, done
):
    audit = factory.stored(Audit, context, interval="1")
    rename(audit)
    at = AT.get(name, 1)
    with (
        proxy.failing(at, done, others(audit, status_message="theirs")),
        pytest.raises(exception.OutcomeUnknown, match="others have written since"),
    ):
        OVERWRITTEN[name](audit)
    assert audit.obj_what_changed() == {"hostname"}


@pytest.mark.parametrize("done", [False, True])
def test_a_merge_that_others_have_written_over_is_merged_again(
    proxy, footprint, context, published, done
):
    audit = factory.stored(Audit, context, parameters={})
    rename(audit)
    audit.parameters["mine"] = 1
    published.clear()
    with proxy.failing(1, done, others(audit, parameters={"mine": 1, "theirs": 2})):
        audit.merge()
    assert proxy.raised
    assert (audit.hostname, audit.parameters) == ("mine", {"mine": 1, "theirs": 2})
    audit.parameters["mine"] = 2
    with (
        proxy.failing(1, done, others(audit, parameters={"mine": 3})),
        pytest.raises(exception.OutcomeUnknown, match="others have written since"),
    ):
        audit.merge()
    assert audit.parameters["mine"] == 2


def test_a_conflict_is_certain_if_a_merge_was_not_received(
    proxy, footprint, context, published, monkeypatch
):
    audit = factory.stored(Audit, context, parameters={"n": 1})
    audit.parameters["n"] = 2
    conflict, check = others(audit, parameters={"n": 3}), write_outcome.written

    def checked_before_the_conflict(*args):
        found = check(*args)
        monkeypatch.undo()
        conflict()
        return found

    monkeypatch.setattr(write_outcome, "written", checked_before_the_conflict)
    with proxy.failing(1), pytest.raises(exception.MergeConflict) as caught:
        audit.merge()
    assert proxy.raised
    assert (caught.value.base, caught.value.mine, caught.value.theirs) == (1, 2, 3)
    assert audit.obj_what_changed() == {"parameters"}
