# SPDX-License-Identifier: Apache-2.0
"""The recipes for contributors list every file to change, and no other."""

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


def variant(places):
    """Return the files that some places change, with their texts."""
    files = {}
    for name, old, new in (change for place in places for change in place):
        text = files.get(name) or ((ROOT / name).read_text() if old else "")
        assert text.count(old) == 1 if old else not (ROOT / name).exists(), (name, old)
        newest = migration.history()[-1].revision
        files[name] = text.replace(old, new) if old else new.replace("{newest}", newest)
    return files


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """Pytest's exit codes, and what it said, by recipe and by the place that is left out."""
    variants, seen = {}, set()
    for name, recipe in RECIPES.items():
        # A place of several recipes is left out once.
        for left_out in (None, *(place for place in recipe if place not in seen)):
            places = (recipe[place] for place in recipe if place != left_out)
            variants[name, left_out] = variant(places)
        seen |= recipe.keys()
    folders = [tmp_path_factory.mktemp("tree") for _ in range(2)]
    for folder in folders:
        copy(folder)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", trial.__file__, *map(str, folders)],
        input=json.dumps([*variants.values()]),
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(zip(variants, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_all_places_and_each_of_them_is_needed(name, tried):
    told = re.search(rf"^{name}\n((?: .*\n)+)", PAGES["contributing.rst"], flags=re.M)[1]
    assert [place for place in RECIPES[name] if place not in told] == []
    assert tried[name, None][0] == 0, tried[name, None][1]
    passed = [left_out for (of, left_out), (code, _) in tried.items() if of == name and not code]
    assert passed == [None]
