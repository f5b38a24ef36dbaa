# SPDX-License-Identifier: Apache-2.0
"""What the documents state for authors of decision engines is true."""

import datetime
import importlib
import re
from concurrent.futures import ThreadPoolExecutor
from pkgutil import resolve_name

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests.documents import block, page, rows
from watcher_objects import Action, ActionPlan, Audit, claims, db, exception, testing
from watcher_objects.claims.worker import current
from watcher_objects.cli.diagram import STATE_MACHINES
from watcher_objects.db import models

pytest_plugins = ["pytester"]
PAGE = page("engine")


@pytest.fixture
def engine():
    """The documented engine; what it knows by name can be changed."""
    known = {}
    exec(block("engine", PAGE), known)  # noqa: S102 - the document's own example
    return known


@pytest.fixture
def audit(watcher_factory):
    return watcher_factory.audit(strategy=watcher_factory.strategy())


def decide(audit):
    return [{"action_type": "nop"}] * 2


def perform(action, fence):
    pass


def run_one(engine, perform, decide=decide):
    """Run one audit as a worker that lives no longer."""
    with claims.Worker(RequestContext(), host="one"):
        (lease,) = claims.take_over(Audit) or claims.claim_many(RequestContext(), Audit, 1)
        engine["turn"](lease, decide, perform)


def test_the_engine_has_at_most_75_lines():
    assert len([line for line in block("engine", PAGE).splitlines() if line]) <= 75


def test_the_documented_tests_of_the_engine_pass(pytester):
    pytester.makepyfile(f"{block('engine', PAGE)}\n\n{block('test', PAGE)}")
    pytester.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=6)


def test_the_engine_carries_out_a_plan(engine, audit, watcher_lifecycle):
    run_one(engine, perform)
    (plan,) = ActionPlan.list(audit.obj_context)
    watcher_lifecycle.expect(plan, "PENDING", "ONGOING", "SUCCEEDED")
    for action in Action.list(audit.obj_context):
        watcher_lifecycle.expect(action, "PENDING", "ONGOING", "SUCCEEDED")


def test_the_engine_continues_after_an_outage(engine, audit, watcher_lifecycle):
    def away(*ignored):
        raise exception.DatabaseUnavailable

    with pytest.raises(exception.DatabaseUnavailable):
        run_one(engine, perform, away)
    run_one(engine, perform)
    watcher_lifecycle.expect(audit, "PENDING", "ONGOING", "SUCCEEDED")


def test_the_engine_continues_a_plan_and_performs_no_action_again(
    engine, audit, watcher_lifecycle
):
    performed = []

    def die_at_the_second(action, fence):
        performed.append(action.id)
        if len(performed) == 2:
            raise SystemExit

    with pytest.raises(SystemExit):
        run_one(engine, die_at_the_second)
    run_one(engine, lambda action, fence: performed.append(action.id), decide=None)
    first, second = Action.list(audit.obj_context)
    assert performed == [first.id, second.id, second.id]
    watcher_lifecycle.expect(audit, "PENDING", "ONGOING", "SUCCEEDED")
    (plan,) = ActionPlan.list(audit.obj_context)
    watcher_lifecycle.expect(plan, "PENDING", "ONGOING", "SUCCEEDED")


@pytest.mark.parametrize("is_noticed", [False, True], ids=["by a write", "by a heartbeat"])
@pytest.mark.parametrize("state", ["CANCELLED", "SUSPENDED"])
def test_what_an_operator_writes_stays(state, is_noticed, engine, audit, watcher_lifecycle):
    def intervene(action, fence):
        audit.state = state
        audit.save()
        if is_noticed:
            current()._running().beat()

    watcher_lifecycle.allow_left("ONGOING")
    run_one(engine, intervene)
    watcher_lifecycle.expect(audit, "PENDING", "ONGOING", state)
    first, second = Action.list(audit.obj_context)
    left = ("CANCELLED", "CANCELLED") if state == "CANCELLED" else ("ONGOING", "PENDING")
    assert (first.state, second.state) == left
    if state == "SUSPENDED":
        audit.state = "ONGOING"
        audit.save()
        run_one(engine, perform)
        watcher_lifecycle.expect(first, "PENDING", "ONGOING", "SUCCEEDED")


def test_a_late_engine_cannot_write_an_action(engine, audit, watcher_lifecycle):
    def be_late(action, fence):
        expire_workers()
        run_one(engine, perform)

    run_one(engine, be_late)
    for obj in (audit, *ActionPlan.list(audit.obj_context), *Action.list(audit.obj_context)):
        watcher_lifecycle.expect(obj, "PENDING", "ONGOING", "SUCCEEDED")


def test_an_action_that_an_operator_cancels_fails_the_audit(engine, audit, watcher_lifecycle):
    def intervene(action, fence):
        other = Action.get(audit.obj_context, action.id)
        other.state = "CANCELLED"
        other.save()

    watcher_lifecycle.allow_refused("SUCCEEDED")
    run_one(engine, intervene)
    watcher_lifecycle.expect(audit, "PENDING", "ONGOING", "FAILED")


def expire_workers():
    with db.get_engine().begin() as connection:
        long_ago = datetime.datetime(2020, 1, 1)
        connection.execute(sa.update(models.workers).values(alive_until=long_ago))


def test_of_engines_at_once_one_runs_each_audit(engine, watcher_factory, watcher_lifecycle):
    strategy = watcher_factory.strategy()
    audits = [watcher_factory.audit(strategy=strategy) for _ in range(10)]

    def serve(host):
        context = RequestContext()
        with claims.Worker(context, host=host):
            while lease := claims.claim_next(context, Audit):
                engine["turn"](lease, decide, perform)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(serve, ["one", "two", "three"])) == [None] * 3
    for audit in audits:
        watcher_lifecycle.expect(audit, "PENDING", "ONGOING", "SUCCEEDED")
    assert len(ActionPlan.list(watcher_factory.context)) == 10


def test_the_documented_fixtures_are_all_that_there_are():
    plugin = importlib.import_module("pytest_watcher_objects")
    fixtures = {name for name in vars(plugin) if name.startswith("watcher_")}
    assert (
        set(re.findall(r"``(watcher_(?:database|factory|lifecycle|workers)\w*)``", PAGE))
        == fixtures
    )


def test_each_question_to_the_witness_is_documented():
    asked = {n for n in vars(testing.Lifecycle) if not n.startswith("_")} - {"check"}
    assert asked <= set(re.findall(r"``(\w+)\((?:obj, )?(?:\*states)?\)``", PAGE))


def test_each_name_that_an_import_of_watchers_becomes_is_there():
    names = [here for _, here in rows("imports", page("coming-from-watcher"))]
    assert len(names) > 30
    for name in names:
        resolve_name(name)


def test_each_transition_that_a_profile_adds_is_documented_with_its_place():
    documented = {
        (kind, initial, new)
        for kind, left, reached, *_ in rows("moves", page("differences"))
        for initial in left.split(", ")
        for new in reached.split(", ")
    }
    assert documented == {
        (kind.lower(), initial, new)
        for kind, life in STATE_MACHINES.items()
        for initial, following in life.WATCHER_MOVES.items()
        for new in following
    }
