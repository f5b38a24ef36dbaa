# SPDX-License-Identifier: Apache-2.0
"""The command that creates audits."""

import io
import json
import sys

import pytest
from oslo_context.context import RequestContext

from tests.cli.conftest import one_line
from watcher_objects import AuditTemplate, Goal, Strategy, db
from watcher_objects.cli import entity


@pytest.fixture
def create(on):
    """Create an audit in the filled database."""
    return lambda *words: on("audit", "create", *words)


@pytest.fixture
def created(create, rows):
    """Create an audit, and return its fields."""

    def created(*words):
        result = create(*words, "-f", "json")
        assert (result.code, result.err) == (0, "")
        expected = json.loads(result.out)
        shown = rows("audit", "show", expected["uuid"])
        assert shown.pop("last_transition")["kind"] == "create"
        assert [shown.pop(name) for name in entity.CLAIM] == [None, None, None]
        assert expected == shown
        return expected

    return created


@pytest.fixture
def usual(filled):
    """An audit template of the goal level and the strategy spread."""
    db.configure(f"sqlite:///{filled}")
    context = RequestContext()
    goal, strategy = (cls.get_by_id(context, n) for cls, n in ((Goal, 2), (Strategy, 1)))
    scope, parameters = [{"compute": []}], {"limit": 0.5, "period": 60}
    made = AuditTemplate(context, name="usual", goal=goal, strategy=strategy)
    made.scope, made.default_parameters = scope, parameters
    made.create()
    db.dispose()


def test_an_audit_is_made_of_a_goal(created):
    audit = created("--goal", "cool")
    assert (audit["goal"], audit["strategy"], audit["state"]) == ("cool", None, "PENDING")
    assert (audit["audit_type"], audit["auto_trigger"]) == ("ONESHOT", False)
    assert audit["name"].startswith("cool-")


def test_an_audit_has_what_was_given(created):
    audit = created(
        *("--goal", "level", "--strategy", "spread", "--name", "nightly", "--type", "continuous"),
        *("--interval", "0 22 * * 5", "--parameters", '{"limit": 1}', "--scope", "[{}]"),
        *("--start-time", "2026-11-25T22:00:00+02:00", "--end-time", "2027-01-01T00:00:00"),
        *("--auto-trigger", "--force", "--hostname", "engine-1"),
    )
    assert {
        "strategy": "spread",
        "name": "nightly",
        "audit_type": "CONTINUOUS",
        "interval": "0 22 * * 5",
        "parameters": {"limit": 1},
        "scope": [{}],
        "start_time": "2026-11-25T20:00:00",
        "end_time": "2027-01-01T00:00:00",
        "auto_trigger": True,
        "force": True,
        "hostname": "engine-1",
    }.items() <= audit.items()


def test_goal_and_strategy_are_found_by_uuid_too(created, rows):
    uuids = [rows(word, "show", "1")["uuid"] for word in ("goal", "strategy")]
    assert created("--goal", uuids[0])["goal"] == "cool"
    assert created("--goal", "level", "--strategy", uuids[1])["strategy"] == "spread"


def test_a_template_gives_what_was_not_given(created, usual):
    audit = created("--audit-template", "usual", "--parameters", '{"limit": 1}')
    assert (audit["goal"], audit["strategy"]) == ("level", "spread")
    assert (audit["parameters"], audit["scope"]) == ({"limit": 1, "period": 60}, [{"compute": []}])
    assert created("--audit-template", "usual", "--scope", "[]")["scope"] == []


def test_a_name_that_is_made_is_not_too_long(created, filled):
    db.configure(f"sqlite:///{filled}")
    Goal(RequestContext(), name="g" * 63, display_name="g", efficacy_specification=[]).create()
    db.dispose()
    assert len(created("--goal", "g" * 63)["name"]) == 63


def piped(monkeypatch, text):
    """Give a command these bytes on its standard input, in a locale that is not UTF-8."""
    stdin = io.TextIOWrapper(io.BytesIO(text), encoding="ascii", errors="surrogateescape")
    monkeypatch.setattr("sys.stdin", stdin)


@pytest.mark.parametrize("place", ["-", "@p.json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_documents_are_text_in_utf_8(created, tmp_path, monkeypatch, place, encoding):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text('{"a": "é"}', encoding)
    piped(monkeypatch, (tmp_path / "p.json").read_bytes())
    assert created("--goal", "cool", "--parameters", place)["parameters"] == {"a": "é"}


@pytest.mark.parametrize("place", ["-", "@p.json"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_documents_in_another_encoding_are_rejected(
    create, tmp_path, monkeypatch, place, encoding
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text('{"a": "é"}', encoding)
    piped(monkeypatch, (tmp_path / "p.json").read_bytes())
    line = one_line(create("--goal", "cool", "--parameters", place))
    assert line == f"Cannot read {place}: it is not UTF-8"


def test_a_command_without_standard_input_reads_none(create, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input" in one_line(create("--goal", "cool", "--parameters", "-"))


@pytest.mark.parametrize("interval", ["1", "900", "*/5 * * * *", "0 22 * * 5", "@daily"])
def test_an_interval_is_seconds_or_cron(created, interval):
    words = "--goal", "cool", "--type", "CONTINUOUS", "--interval", interval
    assert created(*words)["interval"] == interval


NEVER = ["0", "-5", "1.5", "", "weekly", "61 * * * *", "* * * *", "0 0 31 2 *", "9" * 5000, "٣"]


@pytest.mark.parametrize("interval", NEVER)
def test_another_interval_is_refused(create, interval):
    words = "--goal", "cool", "--type", "CONTINUOUS", f"--interval={interval}"
    assert one_line(create(*words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--type", "CONTINUOUS"], "An audit of type CONTINUOUS requires an interval"),
        (["--interval", "60"], "An audit of type ONESHOT must not have an interval"),
        (
            ["--end-time", "2027-01-01"],
            "An audit of type ONESHOT must not have a start",
        ),
        (["--type", "EVENT", "--start-time", "soon"], "start_time takes a datetime"),
        (["--parameters", "[1]"], "parameters takes a dict, or JSON text of one"),
        (["--parameters", '{"a": 1, "a": 2}'], "parameters takes a dict"),
        (["--scope", "{"], "scope takes a list, or JSON text of one"),
        (["--scope", "@/nowhere/at/all"], "Cannot read @/nowhere/at/all: No such file"),
        (["--scope", f"@{sys.executable}"], f"Cannot read @{sys.executable}: it is not UTF-8"),
        (["--strategy", "spread"], "Strategy spread does not belong to goal cool"),
        (["--strategy", "nobody"], "Strategy nobody not found"),
        (["--name", "one"], "Audit one already exists"),
        (["--name", "n" * 64], "name takes at most 63 characters"),
    ],
)
def test_what_can_not_be_used_is_reported_in_a_line(create, rows, words, expected):
    assert one_line(create("--goal", "cool", *words)).startswith(expected)
    assert len(rows("audit", "list")) == 4


@pytest.mark.parametrize(
    "words",
    [[], ["--goal", "cool", "--audit-template", "usual"], ["--goal", "cool", "--type", "DAILY"]],
)
def test_wrong_usage_exits_with_2(create, words):
    result = create(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: ")
