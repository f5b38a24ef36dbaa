# SPDX-License-Identifier: Apache-2.0
"""The command ``states`` shows the transitions of the tables, and no others."""

import json
import os
import re
import shutil
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import one_line
from watcher_objects.cli.diagram import STATE_MACHINES
from watcher_objects.transitions import PROFILES

LISTS = ("table", "json", "yaml", "csv", "value")


def moves(profile):
    return [(name, *move) for name, m in STATE_MACHINES.items() for move in m.moves(profile)]


@pytest.fixture(params=PROFILES)
def profile(request):
    return request.param


@pytest.fixture
def states(run):
    """Run the command and return its output."""

    def states(*words):
        result = run("states", *words)
        assert (result.code, result.err) == (0, "")
        return result.out

    return states


@pytest.fixture
def graphviz():
    if shutil.which("dot") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no program dot")


def test_text_is_the_default_format(states, profile):
    shown = states("--profile", profile)
    for name, machine in STATE_MACHINES.items():
        assert f"{name}\n\n{machine.diagram(profile)}\n" in shown
    assert shown == states("--profile", profile, "--format", "text")
    assert ("CANCELLING (not entered)" in shown) is (profile == "strict")


def test_each_transition_is_listed(states, profile):
    listed = json.loads(states("-f", "json", "--profile", profile))
    assert [tuple(row.values()) for row in listed] == moves(profile)
    assert list(listed[0]) == ["object", "initial", "new", "condition", "profile"]


@pytest.mark.parametrize("form", LISTS)
def test_lists_have_every_format_of_cliff(states, form):
    assert "audit_type is EVENT" in states("-f", form)


def test_columns_apply_to_lists_and_not_to_drawings(states):
    assert states("-f", "csv", "-c", "new", "--object", "audit").startswith('"new"\n"ONGOING"\n')
    for form in ("text", "mermaid", "dot"):
        assert states("-f", form, "-c", "new", "--sort-column", "new") == states("-f", form)


def test_one_object_can_be_selected(states):
    for form in (*LISTS, "text", "mermaid", "dot"):
        shown = states("-f", form, "--object", "actionplan")
        assert "SUPERSEDED" in shown
        assert not re.search("SUSPENDED|SKIPPED", shown)


#: How the two languages write an arrow, and their other lines.
LANGUAGES = {
    "mermaid": (
        r" +(\w+?)_([A-Z]+) --> \1_([A-Z]+)(?: : (.+))?",
        r'stateDiagram-v2| +state "[\w ]+" as \w+( \{)?| +\[\*\] --> \w+| +\w+ --> \[\*\]| +\}',
    ),
    "dot": (
        r' +(\w+?)_([A-Z]+) -> \1_([A-Z]+) \[style=\w+ label="(.*)"\]',
        r"digraph states \{| +bgcolor=white| +node \[.*\]| +subgraph cluster_\w+ \{|"
        r' +label="[\w ]+"| +\w+_begin \[shape=point\]|'
        r' +\w+ \[label="\w+"( peripheries=2)?\]| +\w+_begin -> \w+| *\}',
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_drawings_have_each_transition(states, profile, language):
    arrow, known = LANGUAGES[language]
    shown = states("-f", language, "--profile", profile)
    assert arrows(shown, known, arrow) == [
        (name, initial, new, remark(condition, by))
        for name, initial, new, condition, by in moves(profile)
    ]
    if language == "dot":
        assert shown.count("dashed") == sum(by == "watcher" for *_, by in moves(profile))


def remark(condition, by):
    return f"if {condition}" if condition else by.replace("strict", "")


def arrows(text, known, arrow):
    """Return the arrows of a text; all other lines must be known."""
    assert text.count("{") == text.count("}")
    found = []
    for line in text.splitlines():
        if move := re.fullmatch(arrow, line):
            name, *rest = move.groups()
            found.append((name.replace("_", " "), *rest[:2], rest[2] or ""))
        else:
            assert re.fullmatch(known, line), line
    return found


@pytest.mark.usefixtures("graphviz")
def test_graphviz_draws_svg(states, profile):
    root = ElementTree.fromstring(states("-f", "svg", "--profile", profile))  # noqa: S314 - ours
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= {state for m in STATE_MACHINES.values() for state in m.TRANSITIONS}


def test_svg_without_graphviz_is_an_error(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install Graphviz" in one_line(run("states", "-f", "svg"))


def test_failing_graphviz_is_an_error(run, monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "failed with exit code 3: out of luck" in one_line(run("states", "-f", "svg"))
