# SPDX-License-Identifier: Apache-2.0
"""A server of our own is restarted, killed and frozen under writers and readers."""

import time

import pytest
from oslo_context.context import RequestContext

from tests import factory, servers
from tests.fire import instances, restarts
from tests.fire.arena import Run
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db import migration

#: Seconds that the budget of the last test is.
BUDGET = 3


@pytest.fixture(scope="module", params=instances.KINDS)
def server(request):
    """A server that may be disturbed."""
    with instances.shelter() as folder:
        made = instances.KINDS[request.param](folder / "own")
        made.start()
        yield made
        made.kill()


@pytest.fixture
def url(server):
    with servers.created(server.url, "fire") as made:
        db.configure(made)
        migration.upgrade()
        db.dispose()
        yield made


def restart(server):
    server.stop()
    server.start()


def crash(server):
    server.kill()
    server.start()


def freeze(server):
    server.freeze()
    time.sleep(3)
    server.thaw()


@pytest.mark.parametrize("disturb", [restart, crash, freeze])
def test_inside_the_budget_no_caller_sees_it_and_nothing_is_lost(server, url, disturb):
    run = Run([url], processes=8, audits=2_000)
    report = restarts.run(run, lambda: disturb(server))
    assert report.findings == [], report.findings[0].told
    assert report.figures["calls"] > 500


@pytest.mark.parametrize(("begin", "end"), [("kill", "start"), ("freeze", "thaw")])
def test_beyond_the_budget_every_call_tells_it_in_time(server, url, begin, end):
    context = RequestContext()
    db.configure(url, retry_for=BUDGET)
    audit = factory.stored(Audit, context)
    changed = Audit.get(context, audit.id)
    changed.state = "ONGOING"
    getattr(server, begin)()
    took = []
    try:
        for call in (changed.save, audit.refresh, lambda: Goal.list(context)):
            began = time.monotonic()
            with pytest.raises(exception.DatabaseUnavailable):
                call()
            took.append(time.monotonic() - began)
    finally:
        getattr(server, end)()
        server.await_answer()
    assert max(took) < BUDGET + 1
    changed.refresh()
    assert changed.state in ("PENDING", "ONGOING")
    db.dispose()
