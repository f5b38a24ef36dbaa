# SPDX-License-Identifier: Apache-2.0
"""The recipes for contributors list every file to change, and no other."""

import json
import re
import shutil
import subprocess
import sys

from tests import trial
from tests.documents import PAGES, ROOT
from tests.recipes import PLACES, RECIPES
from watcher_objects.db import migration


def copy(folder):
    """Copy what the tests of a trial need; the revisions to where a wheel has them."""
    for name in ("watcher_objects", "migrations", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "watcher_objects/migrations").symlink_to(folder / "migrations")
    for name in ("README.rst", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder)


def variant(left_out):
    """Return the files that all places but one change, with their texts."""
    files = {}
    for name, old, new in (c for place in PLACES if place != left_out for c in PLACES[place]):
        text = files.get(name) or ((ROOT / name).read_text() if old else "")
        assert text.count(old) == 1 if old else not (ROOT / name).exists(), (name, old)
        newest = migration.history()[-1].revision
        files[name] = text.replace(old, new) if old else new.replace("{newest}", newest)
    return files


def test_each_recipe_names_its_places():
    for name, places in RECIPES.items():
        text = re.search(rf"^{name}\n((?: .*\n)+)", PAGES["contributing.rst"], flags=re.M)[1]
        assert [place for place in places if place not in text] == []


def test_the_recipes_work_and_each_place_is_needed(tmp_path):
    copy(tmp_path)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", trial.__file__, str(tmp_path)],
        input=json.dumps([variant(left_out) for left_out in (None, *PLACES)]),
        check=True,
        capture_output=True,
        text=True,
    )
    (code, output), *rest = json.loads(done.stdout)
    assert code == 0, output
    assert [place for place, (code, _) in zip(PLACES, rest, strict=True) if code == 0] == []
