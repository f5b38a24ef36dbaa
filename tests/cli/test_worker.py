# SPDX-License-Identifier: Apache-2.0
"""The commands that show workers, and what they have claimed."""

import json

import pytest

from tests.claims.test_claims import expire, waiting
from tests.cli.conftest import one_line
from watcher_objects import Action, Audit, Worker, claims, db

COLUMNS = ["uuid", "host", "program", "started_at", "alive_until", "status"]
CLASSES = ["audits", "action_plans", "actions"]


@pytest.fixture
def workers(database, url, context):
    """Two workers, of which the second one is dead; each has claimed something."""
    with (
        Worker(context, host="host-1", program="engine") as first,
        Worker(context, host="host-2") as second,
    ):
        for cls in (Audit, Audit, Audit, Action):
            waiting(cls, context)
        claims.claim_many(context, Audit, 1, first)
        claims.claim_next(context, Action, first)
        claims.claim_many(context, Audit, 1, second)
        expire(second)
        yield first, second
        # A command ends with its connections closed.
        db.configure(url)


@pytest.fixture
def asked(run, workers, url):
    """Run a command on the database of the workers, and return what it lists or shows."""

    def asked(*words):
        result = run("--database", url, *words, "-f", "json")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return asked


def test_workers_are_listed_with_the_numbers_of_what_they_hold(asked, workers):
    one, two = asked("worker", "list")
    assert [*one] == COLUMNS + CLASSES
    assert [one[name] for name in ("uuid", "host", "program", "status", *CLASSES)] == [
        *(workers[0].uuid, "host-1", "engine", "alive"),
        *(1, 0, 1),
    ]
    assert [two[name] for name in ("host", "status", *CLASSES)] == ["host-2", "dead", 1, 0, 0]
    assert one["started_at"] < one["alive_until"]
    assert two["alive_until"] == "2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        (["--alive"], ["host-1"]),
        (["--dead"], ["host-2"]),
        (["--dead", "--host", "host-1"], []),
        (["--host", "host-2"], ["host-2"]),
        (["--filter", "program=engine"], ["host-1"]),
        (["--sort-key", "host", "--sort-dir", "desc"], ["host-2", "host-1"]),
        (["--limit", "1"], ["host-1"]),
    ],
)
def test_workers_are_narrowed_and_sorted(options, hosts, asked):
    assert [row["host"] for row in asked("worker", "list", *options)] == hosts


def test_one_worker_is_shown(asked, workers):
    for ident in (workers[0].uuid, workers[0].id):
        shown = asked("worker", "show", str(ident))
        assert shown.keys() == {*Worker.fields, "status", *CLASSES}
        assert (shown["host"], shown["status"], shown["audits"]) == ("host-1", "alive", 1)


@pytest.mark.parametrize("form", ["table", "yaml", "csv", "value"])
def test_workers_are_listed_in_every_format(form, run, workers, url):
    result = run("--database", url, "worker", "list", "-f", form)
    assert (result.code, result.err) == (0, "")
    assert all(word in result.out for word in ("host-1", "host-2", "alive", "dead"))


def test_a_worker_that_does_not_exist_and_contrary_options(run, workers, url):
    on = "--database", url
    assert "nobody" in one_line(run(*on, "worker", "show", "nobody"))
    assert run(*on, "worker", "list", "--alive", "--dead").code == 2
    twice = "--dead", "--filter", "alive_until__lt=2020-01-01"
    assert "twice" in one_line(run(*on, "worker", "list", *twice))


def test_lists_show_who_has_claimed_an_object(asked, workers, context):
    first, second = workers
    claims.claim_next(context, Audit, first).give_back()
    listed = asked("audit", "list", "--long")
    assert [*listed[0]][-4:] == ["updated_at", "worker", "worker_status", "attempts"]
    assert [(r["worker"], r["worker_status"], r["attempts"]) for r in listed] == [
        (first.uuid, "alive", 1),
        (second.uuid, "dead", 1),
        (None, "nobody", 1),
        (None, None, None),
    ]
    (action,) = asked("action", "list", "--long", "-c", "worker", "-c", "attempts")
    assert action == {"worker": first.uuid, "attempts": 1}
    assert all("worker" in row for row in asked("actionplan", "list", "--long"))
    assert "worker" not in asked("audit", "list")[0]


def test_what_is_stuck_is_listed_as_it_is_counted(asked, workers, context):
    first, second = workers
    given_back, paused = claims.claim_many(context, Audit, 1, first)[0], waiting(Audit, context)
    given_back.give_back()
    claims.claim(context, Audit, paused.id, first).give_back(after=60)
    left = waiting(Audit, context)
    claims.claim(context, Audit, left.id, second)
    counted = {row["value"]: row["count"] for row in asked("audit", "stats", "--by", "work")}
    listed = asked("audit", "list", "--stuck", "--long")
    assert counted["stuck ONGOING"] == len(listed) == 3
    assert [row["worker_status"] for row in listed] == ["dead", "nobody", "dead"]
    assert listed[-1]["uuid"] == left.uuid
    assert len(asked("audit", "list", "--stuck", "--limit", "1")) == 1
    assert asked("audit", "list", "--stuck", "--state", "PENDING") == []
    assert asked("actionplan", "list", "--stuck") == asked("action", "list", "--stuck") == []


def test_who_has_claimed_an_object_is_shown_with_it(asked, workers):
    first, _ = workers
    idents = [str(row["uuid"]) for row in asked("audit", "list")]
    for ident, worker, status in zip(idents, workers, ("alive", "dead"), strict=False):
        shown = asked("audit", "show", ident)
        found = [shown[name] for name in ("worker", "worker_status", "attempts")]
        assert found == [worker.uuid, status, 1]
    shown = asked("audit", "show", idents[2])
    assert (shown["worker"], shown["worker_status"], shown["attempts"]) == (None, None, None)
    (action,) = asked("action", "list")
    assert asked("action", "show", action["uuid"])["worker"] == first.uuid
    assert "worker" not in asked("goal", "show", asked("goal", "list")[0]["uuid"])


def test_only_classes_with_states_have_long_lists(run, workers, url):
    for option in ("--long", "--stuck"):
        assert run("--database", url, "goal", "list", option).code == 2
    twice = run("--database", url, "audit", "list", "--stuck", "--filter", "id__in=1")
    assert "twice" in one_line(twice)


def test_long_lists_take_one_statement_more(asked, statements):
    asked("audit", "list")
    usual = len(statements)
    for words, more in ((("audit", "list", "--long"), 1), (("worker", "list"), None)):
        statements.clear()
        asked(*words)
        if more is not None:
            assert len(statements) == usual + more
    before = len(statements)
    statements.clear()
    assert len(asked("worker", "list", "--limit", "1")) == 1
    assert len(statements) == before
