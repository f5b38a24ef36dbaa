# SPDX-License-Identifier: Apache-2.0
"""Packages import from their own layer and from those below, as the README lists them."""

import ast
import graphlib
import re
from pathlib import Path

from benchmarks import structure
from tests import documents, factory
from watcher_objects.db import models

ROOT = Path(__file__).parents[1] / "watcher_objects"
_LINE = re.compile(r"^ +(\d(?:\.\d)?) +((?:[\w.]+, )*[\w.]+)  +\S", re.MULTILINE)
#: What the README calls the modules of the ten classes.
ENTITIES = {cls.__module__.partition(".")[2] for cls in factory.CLASSES}
LAYERS = {
    name: float(number)
    for number, names in _LINE.findall(documents.PAGES["README.rst"])
    for name in names.split(", ")
}


def modules():
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text())


MODULES = dict(modules())


def imported(tree):
    """Yield the modules of this library that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, module = name.partition(".")
            if package == "watcher_objects":
                while module not in MODULES:
                    module = module.rpartition(".")[0]
                yield module


IMPORTS = {name: {*imported(tree)} - {name} for name, tree in MODULES.items()}


def package_of(module):
    """The name under which the README lists a module."""
    if module in ENTITIES:
        return "entities"
    name = module or "watcher_objects"
    while name not in LAYERS:
        name = name.rpartition(".")[0]
    return name


def test_every_package_is_listed():
    assert {package_of(module) for module in MODULES} == LAYERS.keys()


def test_imports_go_down_only():
    edges = {(package_of(m), package_of(other)) for m, found in IMPORTS.items() for other in found}
    assert {(one, other) for one, other in edges if LAYERS[other] > LAYERS[one]} == set()
    assert {(one, other) for one, other in edges if one < other and (other, one) in edges} == set()


def test_no_modules_import_each_other():
    graphlib.TopologicalSorter(IMPORTS).prepare()


def test_only_dialects_ask_which_database_it_is():
    assert structure.dialect_literals() == {}


def test_modules_below_the_objects_name_no_entity():
    # The journal and the workers are for all entities; one has the name of the rules, too.
    tables = models.metadata.tables.keys() - {models.transitions.name, models.workers.name}
    named = {*tables, *(cls.resource for cls in factory.CLASSES)}
    for name, tree in MODULES.items():
        if name.startswith("db.") and name not in ("db.models", "db.requests"):
            words = set(re.findall(r"\w+", ast.unparse(tree).lower()))
            assert words & named == set(), name


def test_entities_import_no_entity():
    assert [(m, other) for m in ENTITIES for other in IMPORTS[m] & ENTITIES] == []


def test_the_database_knows_no_object_classes():
    for name, tree in MODULES.items():
        if name.startswith("db"):
            assert "oslo_versionedobjects" not in ast.unparse(tree), name
