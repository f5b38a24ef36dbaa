# SPDX-License-Identifier: Apache-2.0
"""What the documents state for authors of decision engines is true."""

import importlib
import re
from concurrent.futures import ThreadPoolExecutor
from pkgutil import resolve_name

import pytest

from tests.documents import block, page, rows
from watcher_objects import Action, ActionPlan, exception, testing
from watcher_objects.cli.diagram import STATE_MACHINES

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


def perform(action):
    pass


def test_the_engine_has_at_most_40_lines():
    assert len([line for line in block("engine", PAGE).splitlines() if line]) <= 40


def test_the_documented_tests_of_the_engine_pass(pytester):
    pytester.makepyfile(f"{block('engine', PAGE)}\n\n{block('test', PAGE)}")
    pytester.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=3)


def test_the_engine_carries_out_a_plan(engine, audit, watcher_lifecycle):
    engine["turn"](decide, perform)
    (plan,) = ActionPlan.list(audit.obj_context)
    watcher_lifecycle.expect(plan, "PENDING", "ONGOING", "SUCCEEDED")
    for action in Action.list(audit.obj_context):
        watcher_lifecycle.expect(action, "PENDING", "ONGOING", "SUCCEEDED")


def test_the_engine_ends_what_an_outage_has_cut_off(engine, audit, watcher_lifecycle):
    def away(*ignored):
        raise exception.DatabaseUnavailable

    with pytest.raises(exception.DatabaseUnavailable):
        engine["turn"](away, perform)
    engine["turn"](decide, perform)
    watcher_lifecycle.expect(audit, "PENDING", "ONGOING", "FAILED")


def test_the_engine_ends_what_a_kill_has_left_in_the_middle(engine, audit, watcher_lifecycle):
    def kill(action):
        raise SystemExit

    with pytest.raises(SystemExit):
        engine["turn"](decide, kill)
    engine["turn"](decide, perform)
    watcher_lifecycle.expect_ended()
    states = [a.state for a in Action.list(audit.obj_context, sort_key="state")]
    assert states == ["FAILED", "PENDING"]


def test_of_engines_at_once_one_runs_each_audit(watcher_factory, watcher_lifecycle):
    strategy = watcher_factory.strategy()
    audits = [watcher_factory.audit(strategy=strategy) for _ in range(10)]
    watcher_lifecycle.allow_refused("ONGOING")

    def serve(host):
        known = {}
        exec(block("engine", PAGE), known)  # noqa: S102 - as above
        known["HOST"] = host
        known["turn"](decide, perform)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(serve, ["one", "two", "three"])) == [None] * 3
    for audit in audits:
        watcher_lifecycle.expect(audit, "PENDING", "ONGOING", "SUCCEEDED")
    assert len(ActionPlan.list(watcher_factory.context)) == 10


def test_the_documented_fixtures_are_all_that_there_are():
    plugin = importlib.import_module("pytest_watcher_objects")
    fixtures = {name for name in vars(plugin) if name.startswith("watcher_")}
    assert set(re.findall(r"``(watcher_(?:database|factory|lifecycle)\w*)``", PAGE)) == fixtures


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
