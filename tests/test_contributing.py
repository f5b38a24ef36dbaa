# SPDX-License-Identifier: Apache-2.0
"""The places that the README's recipes name are all that are needed, and each of them is."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests import recipes, trial
from tests.pages import PAGES, ROOT
from watcher_objects.db import migration

RECIPES = {
    "How to add a field": recipes.FIELD,
    "How to add an entity": recipes.ENTITY,
    "How to add a migration": recipes.MIGRATION,
}


def copy(folder):
    """Copy what the tests of a trial need; the revisions to where a wheel has them."""
    for name in ("watcher_objects", "migrations", "tests"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "watcher_objects/migrations").symlink_to(folder / "migrations")
    (folder / "docs").symlink_to(ROOT / "docs")
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


def tried(folder, recipe):
    """Pytest's exit codes of copies in which all places of a recipe are done, or all but one."""
    folders = {}
    for left_out in (None, *recipe):
        folders[left_out] = folder / str(len(folders))
        copy(folders[left_out])
        for name in recipe.keys() - {left_out}:
            write(folders[left_out], recipe[name])
    program = [sys.executable, "-P", trial.__file__, *map(str, folders.values())]
    done = subprocess.run(  # noqa: S603 - our own program
        program, check=True, capture_output=True, text=True
    )
    return dict(zip(folders, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_all_places_and_each_of_them_is_needed(name, tmp_path):
    told = re.search(rf"^{name}\n((?: .*\n)+)", PAGES["README.rst"], flags=re.M)[1]
    recipe = RECIPES[name]
    assert [place for place in recipe if place not in told] == []
    codes = tried(tmp_path, recipe)
    assert codes.pop(None) == 0, (tmp_path / "0/told").read_text()
    assert [place for place, code in codes.items() if code == 0] == []
