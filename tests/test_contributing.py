# SPDX-License-Identifier: Apache-2.0
"""The places that the README's recipes name are all that are needed, and each of them is."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests import recipes, trial
from tests.documents import PAGES, ROOT
from watcher_objects.db import migration

RECIPES = {
    "How to add a field": recipes.FIELD,
    "How to add an entity": recipes.ENTITY,
    "How to add a migration": recipes.MIGRATION,
}


def copy(folder):
    """Copy what the tests of a trial need; the revisions to where a wheel has them."""
    for name in ("watcher_objects", "migrations", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "watcher_objects/migrations").symlink_to(folder / "migrations")
    for name in ("README.rst", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder)


def write(folder, place):
    """Make the changes of a place."""
    for name, old, new in place:
        path = folder / name
        text = path.read_text() if old else ""
        assert text.count(old) == 1 if old else not path.exists(), (name, old)
        newest = migration.history()[-1].revision
        path.write_text(text.replace(old, new) if old else new.replace("{newest}", newest))


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """Pytest's exit codes, and what it said, by recipe and by the place that is left out."""
    folders, seen = {}, set()
    for name, recipe in RECIPES.items():
        # A place of several recipes is left out once.
        for left_out in (None, *(place for place in recipe if place not in seen)):
            folder = folders[name, left_out] = tmp_path_factory.mktemp("tree")
            copy(folder)
            for place in recipe.keys() - {left_out}:
                write(folder, recipe[place])
        seen |= recipe.keys()
    program = [sys.executable, "-P", trial.__file__, *map(str, folders.values())]
    done = subprocess.run(  # noqa: S603 - our own program
        program, check=True, capture_output=True, text=True
    )
    said = [(folder / "told").read_text() for folder in folders.values()]
    return dict(zip(folders, zip(json.loads(done.stdout), said, strict=True), strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_all_places_and_each_of_them_is_needed(name, tried):
    told = re.search(rf"^{name}\n((?: .*\n)+)", PAGES["README.rst"], flags=re.M)[1]
    assert [place for place in RECIPES[name] if place not in told] == []
    assert tried[name, None][0] == 0, tried[name, None][1]
    passed = [left_out for (of, left_out), (code, _) in tried.items() if of == name and not code]
    assert passed == [None]
