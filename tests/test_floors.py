# SPDX-License-Identifier: Apache-2.0
"""Imports go down only, as the README's section on the architecture draws it."""

import ast
import re
from pathlib import Path

from tests import factory
from watcher_objects.db import models

ROOT = Path(__file__).parents[1] / "watcher_objects"
FLOORS = [
    {"exception"},
    {"bounds", "coercion", "db.budget", "transitions", "events", "history", "versions"},
    {"states", "field_types", "primitives"},
    {"fields"},
    {"db.chain", "db.drivers", "db.errors", "db.engine", "db.models", "db.sessions"}
    | {"db.statements", "db.urls", "db.values"},
    {"db.filters", "db.levels", "db.paging", "db.retries", "db.transactions"},
    {"db.changes", "db.moving", "db.queries", "db.rules", "db.selection"} | {"db.writes"},
    {"db", "db.api", "db.bulk", "db.counts", "db.requests", "db.findings", "db.migration"}
    | {"db.purge"},
    {"waiting"},
    {"compiled", "tracking"},
    {"codec"},
    {"hydration"},
    {"finding"},
    {"reading", "writing"},
    {"base"},
    {"goal", "strategy", "audit_template", "audit", "action_plan", "action", ""}
    | {"efficacy_indicator", "scoring_engine", "service", "action_description"},
    {"rpc.wire"},
    {"rpc.client"},
    {"rpc", "rpc.server"},
    {"testing", "testing.database", "testing.factory", "testing.lifecycle"},
    {"cli", "cli.app", "cli.audit", "cli.connection", "cli.database", "cli.demo", "cli.entity"}
    | {"cli.move", "cli.progress", "cli.serve", "cli.states", "cli.versions"}
    | {"cli.chart", "cli.diagram", "cli.drawing", "cli.layout", "cli.picture", "cli.stats"}
    | {"cli.purge", "cli.svg"},
]
# Within a floor the rooms of these packages may use one another, as long as none does in turn.
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}


def modules():
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text())


def imported(tree):
    """Yield the rooms of this library that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, room = name.partition(".")
            if package == "watcher_objects":
                while room not in FLOOR_OF:
                    room = room.rpartition(".")[0]
                yield room


def test_every_module_has_its_floor():
    assert {name for name, _ in modules()} == FLOOR_OF.keys()


def test_imports_go_down_only():
    edges = {(name, room) for name, tree in modules() for room in imported(tree)}
    upwards = {(name, room) for name, room in edges if FLOOR_OF[room] > FLOOR_OF[name]}
    mutual = {(name, room) for name, room in edges if (room, name) in edges and room != name}
    assert upwards == set()
    assert mutual == set()


def test_no_room_below_the_objects_knows_one_by_name():
    named = {*models.metadata.tables, *(cls.resource for cls in factory.CLASSES)}
    for name, tree in modules():
        if name.startswith("db.") and name not in ("db.models", "db.requests"):
            words = set(re.findall(r"\w+", ast.unparse(tree).lower()))
            assert words & named == set(), name
