# SPDX-License-Identifier: Apache-2.0
"""A server of our own is restarted, killed and frozen under writers and readers."""

import threading
import time

import pytest
from oslo_context.context import RequestContext

from tests import factory
from tests.chaos.harness import Run
from tests.chaos.instances import Need
from tests.chaos.scenarios import SCENARIOS, needing
from tests.chaos.tiers import long
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db.backend import database as backend
from watcher_objects.db.transactions import levels

#: The shortest time that a caller may configure, in seconds.
BUDGET = 2


@pytest.mark.parametrize("name", needing(Need.SERVER))
def test_inside_the_budget_no_caller_sees_it_and_nothing_is_lost(own_server, own_url, name):
    report = SCENARIOS[name].run(Run([own_url], [own_server], processes=4, audits=40))
    assert report.findings == [], report.findings[0].detail
    assert report.figures["moves checked"] > 70


@pytest.mark.parametrize(
    ("begin", "end"), [("kill", "start"), pytest.param("freeze", "thaw", marks=long)]
)
def test_beyond_the_budget_every_call_reports_it_in_time(own_server, own_url, begin, end):
    context = RequestContext()
    db.configure(own_url, retry_for=BUDGET)
    audit = factory.stored(Audit, context)
    changed = Audit.get(context, audit.id)
    changed.state = "ONGOING"
    getattr(own_server, begin)()
    took = []
    try:
        for call in (changed.save, lambda: Goal.list(context)):
            began = time.monotonic()
            with pytest.raises(exception.DatabaseUnavailable):
                call()
            took.append(time.monotonic() - began)
    finally:
        getattr(own_server, end)()
        own_server.await_answer()
    assert max(took) < BUDGET + 1
    changed.refresh()
    assert changed.state in ("PENDING", "ONGOING")
    db.dispose()


def begin(freeze):
    freeze()
    with db.transaction():
        pass


def commit(freeze):
    with db.transaction():
        freeze()


def roll_back(freeze):
    with db.transaction():
        freeze()
        raise exception.DatabaseUnavailable(reason="to roll back")


def roll_back_what_failed(freeze):
    with db.transaction():
        freeze()
        Goal.list(RequestContext())


@pytest.mark.parametrize(
    ("call", "is_inner"),
    [(call, is_inner) for call in (begin, commit, roll_back) for is_inner in (False, True)]
    + [(roll_back_what_failed, False)],
)
def test_no_end_of_a_transaction_waits_for_a_frozen_server(own_server, call, is_inner):
    db.configure(own_server.url)
    with db.transaction():
        pass
    backend.current().timeout = 0.2
    hung = threading.Timer(20, own_server.thaw)
    hung.start()
    call = db.transactional(call) if is_inner else call
    try:
        with pytest.raises(exception.DatabaseUnavailable):
            call(own_server.freeze)
        assert hung.is_alive()
    finally:
        hung.cancel()
        own_server.thaw()
    assert levels.current() is None
    with db.transaction():
        pass
    db.dispose()
