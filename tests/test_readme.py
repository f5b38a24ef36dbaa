# SPDX-License-Identifier: Apache-2.0
"""What the README and the other documents say is so."""

import re
from pathlib import Path
from textwrap import dedent

from watcher_objects import db
from watcher_objects.cli import connection, serve, states
from watcher_objects.states import AuditStateTransitionManager

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text()
LIVES = (ROOT / "docs" / "states.rst").read_text()


def block(after, text=README):
    """Return the indented block behind a marker."""
    found = re.search(rf"^\.\. {after}\n\n(?:\S.*\n)?\n((?:(?: +.*)?\n)+)", text, flags=re.M)
    return dedent(found.group(1)).strip()


def test_the_drawing_is_that_of_the_table():
    assert block("states begin") == AuditStateTransitionManager.diagram()


def test_the_drawings_of_the_life_cycles_are_those_of_the_tables():
    for name, life in states.LIVES.items():
        assert block(f"{name.lower()} begin", LIVES) == life.diagram("watcher")


def test_the_example_runs_and_its_audit_is_claimed_once(tmp_path, monkeypatch, context):
    monkeypatch.chdir(tmp_path)
    example = block("example")
    assert len([line for line in example.splitlines() if line]) == 15
    found = {}
    exec(example, found)  # noqa: S102 - the README's own example
    (audit,) = found["Audit"].list(context)
    assert (audit.state, audit.old_state) == ("ONGOING", None)
    assert audit.parameters == {"cpu": 0.8}
    db.dispose()


def test_each_option_of_the_server_is_documented():
    told = (ROOT / "docs" / "rpc.rst").read_text()
    for option in (*serve.OPTIONS, *connection.OPTIONS, connection.CONNECTION):
        assert re.search(rf"^``{option.name}``  ", told, flags=re.M), option.name


def test_the_gate_runs_the_command_that_the_readme_names():
    gate = (ROOT / ".ci/run").read_text()
    pattern = re.search(r"s/\^ \*(.*)\$/", gate).group(1)
    assert len(re.findall(pattern.replace("\\(", "(").replace("\\)", ")"), README)) == 1


def test_the_architecture_names_every_room():
    drawn = README.split("Architecture\n")[1]
    for path in (ROOT / "watcher_objects").rglob("*.py"):
        name = path.relative_to(ROOT / "watcher_objects").with_suffix("").parts
        if name[-1] != "__init__" and name[0] != "cli":
            assert re.search(rf"\b{re.escape('.'.join(name))}\b", drawn), name
