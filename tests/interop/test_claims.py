# SPDX-License-Identifier: Apache-2.0
"""Workers that share a database with Watcher's own objects, with triggers and without."""

import pytest

from watcher_objects import Audit, Worker, claims, exception
from watcher_objects.db import migration


@pytest.fixture(params=[False, True], ids=["alone", "watched"])
def triggers(request, call):
    """Whether the database records what Watcher writes."""
    migration.watch_foreign(request.param)
    return request.param


@pytest.fixture
def worker(call, context):
    with Worker(context) as one:
        yield one


def test_workers_and_watcher_leave_each_others_audits_alone(triggers, call, worker, context):
    for state in ("CANCELLED", "SUSPENDED", "SUCCEEDED", "DELETED"):
        audit = created(call)
        lease = claims.claim_next(context, Audit)
        assert lease.object.uuid == audit
        assert call("move", "Audit", audit, state) == [state]
        with pytest.raises(exception.LeaseLost) as caught:
            lease.finish("FAILED")
        assert caught.value.initial in (state, None)
    worker._running().beat()
    assert worker._running().leases == {}
    audit = created(call)
    claims.claim_next(context, Audit).finish("SUCCEEDED")
    assert call("move", "Audit", audit, "DELETED") == ["DELETED"]
    audit = created(call)
    assert call("move", "Audit", audit, "ONGOING") == ["ONGOING"]
    assert claims.take_over(Audit) == claims.due(Audit) == []
    with pytest.raises(exception.InvalidStateTransition):
        claims.claim(context, Audit, audit)
    if triggers:
        check_what_only_triggers_show(call, context)


def created(call):
    audit, _, _ = call("create")
    return audit


def check_what_only_triggers_show(call, context):
    audit = created(call)
    late = claims.claim_next(context, Audit)
    for state in ("SUCCEEDED", "ONGOING"):
        call("move", "Audit", audit, state)
    with pytest.raises(exception.LeaseLost):
        late.finish("FAILED")
    assert claims.take_over(Audit) == []
    assert call("move", "Audit", audit, "SUCCEEDED") == ["SUCCEEDED"]
    audit = created(call)
    resumed = claims.claim_next(context, Audit)
    for state in ("SUSPENDED", "ONGOING"):
        call("move", "Audit", audit, state)
    (lease,) = claims.take_over(Audit)
    assert (lease.object.uuid, lease.attempts) == (audit, 1)
    with pytest.raises(exception.LeaseLost):
        resumed.finish("FAILED")
    lease.finish("SUCCEEDED")
