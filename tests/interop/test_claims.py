# SPDX-License-Identifier: Apache-2.0
"""Workers that share a database with Watcher's own objects, with triggers and without."""

import pytest

from tests.interop.test_journal import call as call
from tests.interop.test_journal import context as context
from watcher_objects import Audit, Worker, claims, exception
from watcher_objects.db import migration

with_and_without_triggers = pytest.mark.parametrize("triggers", [False, True])


@pytest.fixture
def worker(call, context):
    with Worker(context) as one:
        yield one


def created(call):
    audit, _, _ = call("create")
    return audit


@with_and_without_triggers
def test_workers_run_what_watcher_created(triggers, call, worker, context):
    migration.watch_foreign(triggers)
    audit = created(call)
    lease = claims.claim_next(context, Audit)
    assert lease.object.uuid == audit
    lease.finish("SUCCEEDED")
    assert call("move", "Audit", audit, "DELETED") == ["DELETED"]


@with_and_without_triggers
@pytest.mark.parametrize("state", ["CANCELLED", "SUSPENDED", "SUCCEEDED", "DELETED"])
def test_what_watcher_changes_no_worker_writes_over(triggers, state, call, worker, context):
    migration.watch_foreign(triggers)
    audit = created(call)
    lease = claims.claim_next(context, Audit)
    assert call("move", "Audit", audit, state) == [state]
    with pytest.raises(exception.LeaseLost) as caught:
        lease.finish("FAILED")
    assert caught.value.initial in (state, None)
    worker._running().beat()
    assert worker._running().leases == {}
    assert claims.take_over(Audit) == []


@with_and_without_triggers
def test_what_watcher_runs_is_not_taken_over(triggers, call, worker, context):
    migration.watch_foreign(triggers)
    audit = created(call)
    assert call("move", "Audit", audit, "ONGOING") == ["ONGOING"]
    assert claims.take_over(Audit) == claims.due(Audit) == []
    with pytest.raises(exception.InvalidStateTransition):
        claims.claim(context, Audit, audit)


def test_with_triggers_a_run_of_watcher_is_not_taken_for_the_workers(call, worker, context):
    migration.watch_foreign(True)
    audit = created(call)
    late = claims.claim_next(context, Audit)
    for state in ("SUCCEEDED", "ONGOING"):
        call("move", "Audit", audit, state)
    with pytest.raises(exception.LeaseLost):
        late.finish("FAILED")
    assert claims.take_over(Audit) == []
    assert call("move", "Audit", audit, "SUCCEEDED") == ["SUCCEEDED"]


def test_with_triggers_a_worker_goes_on_after_watcher_has_resumed(call, worker, context):
    migration.watch_foreign(True)
    audit = created(call)
    claims.claim_next(context, Audit)
    for state in ("SUSPENDED", "ONGOING"):
        call("move", "Audit", audit, state)
    (lease,) = claims.take_over(Audit)
    assert lease.attempts == 1
    lease.finish("SUCCEEDED")
