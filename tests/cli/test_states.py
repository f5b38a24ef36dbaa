# SPDX-License-Identifier: Apache-2.0
"""The drawings of the life-cycles show the moves of the tables, and no others."""

import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher_objects.cli import picture
from watcher_objects.cli.layout import Arrow, Layout
from watcher_objects.cli.states import LIVES
from watcher_objects.transitions import PROFILES, StateTransitionManager

DOCS = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
LISTS = ("table", "json", "yaml", "csv", "value")
#: What there may be in a line of the two languages, but for the arrows.
MERMAID = r'stateDiagram-v2| +state "[\w ]+" as \w+( \{)?| +\[\*\] --> \w+| +\w+ --> \[\*\]| +\}'
DOT = (
    r'digraph states \{| +node \[.*\]| +subgraph cluster_\w+ \{| +label="[\w ]+"|'
    r' +\w+_begin \[shape=point\]| +\w+ \[label="\w+"( peripheries=2)?\]|'
    r" +\w+_begin -> \w+| *\}"
)


def moves(profile):
    return [(name, *move) for name, life in LIVES.items() for move in life.moves(profile)]


@pytest.fixture(params=PROFILES)
def profile(request):
    return request.param


@pytest.fixture
def drawn(run):
    """Draw or list the life-cycles."""

    def drawn(*words):
        result = run("states", *words)
        assert (result.code, result.err) == (0, "")
        return result.out

    return drawn


def test_they_are_drawn_as_text_unless_it_is_said_how(drawn, profile):
    told = drawn("--profile", profile)
    for name, life in LIVES.items():
        assert f"{name}\n\n{life.diagram(profile)}\n" in told
    assert told == drawn("--profile", profile, "--format", "text")
    assert ("CANCELLING (not entered)" in told) is (profile == "strict")


def test_each_move_is_listed(drawn, profile):
    listed = json.loads(drawn("-f", "json", "--profile", profile))
    assert [tuple(row.values()) for row in listed] == moves(profile)
    assert list(listed[0]) == ["life", "initial", "new", "condition", "profile"]


@pytest.mark.parametrize("form", LISTS)
def test_the_moves_come_in_every_format_of_a_list(drawn, form):
    assert "audit_type is EVENT" in drawn("-f", form)


def test_a_list_takes_columns_and_a_drawing_is_whole(drawn):
    assert drawn("-f", "csv", "-c", "new", "--life", "audit").startswith('"new"\n"ONGOING"\n')
    for form in ("text", "mermaid", "dot", "svg"):
        assert drawn("-f", form, "-c", "new", "--sort-column", "new") == drawn("-f", form)


def test_one_life_is_drawn_alone(drawn):
    for form in (*LISTS, "text", "mermaid", "dot", "svg"):
        told = drawn("-f", form, "--life", "actionplan")
        assert "SUPERSEDED" in told
        assert not re.search("SUSPENDED|SKIPPED", told)


def test_mermaid_has_each_move_in_lines_that_it_knows(drawn, profile):
    arrow = r" +(\w+?)_([A-Z]+) --> \1_([A-Z]+)(?: : (.+))?"
    assert in_language(drawn("-f", "mermaid", "--profile", profile), MERMAID, arrow) == [
        (name, initial, new, remark(condition, by))
        for name, initial, new, condition, by in moves(profile)
    ]


def test_dot_has_each_move_in_lines_that_it_knows(drawn, profile):
    arrow = r' +(\w+?)_([A-Z]+) -> \1_([A-Z]+) \[style=\w+ label="(.*)"\]'
    told = drawn("-f", "dot", "--profile", profile)
    assert in_language(told, DOT, arrow) == [
        (name, initial, new, remark(condition, by))
        for name, initial, new, condition, by in moves(profile)
    ]
    assert told.count("dashed") == sum(by == "watcher" for *_, by in moves(profile))


def remark(condition, by):
    return f"if {condition}" if condition else by.replace("strict", "")


def in_language(told, known, arrow):
    """Return the arrows of a text, all other lines of which must be known."""
    assert told.count("{") == told.count("}")
    found = []
    for line in told.splitlines():
        if move := re.fullmatch(arrow, line):
            name, *rest = move.groups()
            found.append((name.replace("_", " "), *rest[:2], rest[2] or ""))
        else:
            assert re.fullmatch(known, line), line
    return found


# --- the picture ----------------------------------------------------------------------------


def test_the_picture_tells_each_move_in_words(drawn, profile):
    root = ElementTree.fromstring(drawn("-f", "svg", "--profile", profile))  # noqa: S314 - ours
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title.text == "States of audits, action plans, actions"
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
    for _, initial, new, *_ in moves(profile):
        assert f"{initial} to {new}" in description.text
    assert ("Not entered: CANCELLING" in description.text) is (profile == "strict")


def test_the_picture_of_the_documents_is_the_one_that_is_drawn(drawn):
    shown = (DOCS / "states-audit.svg").read_text()
    assert shown == drawn("--life", "audit", "--format", "svg")
    assert ".. image:: states-audit.svg" in (DOCS / "states.rst").read_text()


def test_in_the_pictures_no_arrow_crosses_a_box(profile):
    for name, life in LIVES.items():
        check_picture(life, picture.drawn({name: life}, profile))


def check_picture(life, told):
    """Each state that moves is in a box of its own, and no line in any."""
    root = ElementTree.fromstring(told)  # noqa: S314 - ours
    outer = [box for box in root.iter(f"{SVG}rect") if box.get("rx") == "8"]
    boxes = [[float(box.get(a)) for a in ("x", "y", "width", "height")] for box in outer]
    states = [text.text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "middle"]
    assert len(boxes) == len(states) == len({*states})
    assert {*states} <= life.TRANSITIONS.keys()
    assert all(len(state) * 10 < box[2] for state, box in zip(states, boxes, strict=True))
    for one, other in itertools.combinations(boxes, 2):
        assert any(
            one[a] + one[a + 2] < other[a] or other[a] + other[a + 2] < one[a] for a in (0, 1)
        )
    width, height = float(root.get("width")), float(root.get("height"))
    for x, y in (point for path in root.iter(f"{SVG}path") for point in points(path.get("d"))):
        assert 0 < x < width
        assert 0 < y < height
        for left, top, wide, high in boxes:
            assert not (left < x < left + wide and top + 0.1 < y < top + high - 0.1)


def points(path):
    """Yield points on what a path draws with M, V and C; what is drawn with h, l and v is near."""
    x = y = 0.0
    for command, words in re.findall(r"([MVC])([-\d. ]+)", path):
        numbers = [float(word) for word in words.split()]
        if command == "C":
            corners = [(x, y), *zip(numbers[::2], numbers[1::2], strict=True)]
            for step in range(101):
                t = step / 100
                parts = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
                yield tuple(
                    sum(p * corner[a] for p, corner in zip(parts, corners, strict=True))
                    for a in (0, 1)
                )
        x, y = (x, numbers[0]) if command == "V" else numbers[-2:]
        yield x, y


names = st.sampled_from("ABCDEFGH")
tables = st.lists(
    st.tuples(names, names).filter(lambda move: move[0] != move[1]), unique=True, max_size=24
)


@settings(max_examples=25)
@given(table=tables)
def test_any_table_can_be_drawn(table):
    states = [*dict.fromkeys("A" + "".join(map("".join, table)))]
    following = {s: frozenset(new for initial, new in table if initial == s) for s in states}
    told = {"INITIAL": "A", "TRANSITIONS": following, "__doc__": ""}
    life = type("Life", (StateTransitionManager,), told)
    check_picture(life, picture.drawn({"Life": life}, "strict"))


@settings(max_examples=25)
@given(table=tables)
def test_each_arrow_leads_from_its_state_to_the_other(table):
    states = [*dict.fromkeys("A" + "".join(map("".join, table)))]
    layout = Layout(states, [Arrow(*move, kind="") for move in table])
    steps = {}
    for stretch in layout.stretches:
        assert stretch.lower.row == stretch.upper.row + 1
        begin = stretch.other(stretch.end)
        steps.setdefault((begin, stretch.is_upward), []).append(stretch.end)

    def reached(spot, is_upward):
        for end in steps.get((spot, is_upward), []):
            yield from [end.name] if end.name else reached(end, is_upward)

    led = {(s, n) for s in states for up in (True, False) for n in reached(layout.boxes[s], up)}
    assert led == {*table}
