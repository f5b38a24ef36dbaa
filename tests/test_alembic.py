# SPDX-License-Identifier: Apache-2.0
"""The plain ``alembic`` command, as developers run it in a checkout."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from watcher_objects import db
from watcher_objects.db import migration
from watcher_objects.db.migration import revisions

ROOT = Path(__file__).parents[1]
HEAD = migration.history()[-1].revision
FOREIGN_HEAD = "f56ba02662b4"


def alembic(url, *words, folder=ROOT):
    """Run it in a folder that has a pyproject.toml, and return what it prints."""
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "ignore", "-m", "alembic", *words],
        cwd=folder,
        env={**os.environ, "WATCHER_OBJECTS_DATABASE": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_it_makes_a_schema_and_finds_that_it_is_right(empty_database):
    alembic(empty_database, "upgrade", "head")
    assert "No new upgrade operations detected." in alembic(empty_database, "check")
    assert migration.check() == []


@pytest.fixture
def copy(tmp_path):
    """A copy of the migrations, and the URL of a database that is at their head."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "migrations", folder / "migrations")
    shutil.copy(ROOT / "pyproject.toml", folder)
    url = f"sqlite:///{tmp_path / 'audits.sqlite'}"
    db.configure(url)
    migration.upgrade()
    db.dispose()
    return folder, url


def generated(folder, url):
    """Let it write a revision, and return its place."""
    words = ("--autogenerate", "--rev-id", "0003_add_this", "-m", "Add this")
    alembic(url, "revision", *words, folder=folder)
    (path,) = (folder / "migrations/versions").glob("0003_add_this*.py")
    return path


def test_its_history_is_ours_and_it_says_where_a_database_is(copy):
    _, url = copy
    told = alembic(url, "history").splitlines()
    assert len(told) == len(migration.history())
    assert told[0].split()[2] == HEAD
    assert alembic(url, "current").split() == [HEAD, "(head)"]


def test_a_revision_of_nothing_is_empty_and_well_formed(copy):
    folder, url = copy
    path = generated(folder, url)
    text = path.read_text()
    assert text.startswith('# SPDX-License-Identifier: Apache-2.0\n"""Add this."""\n\nrevision')
    assert f'\ndown_revision = "{HEAD}"\n' in text
    assert "op." not in text
    ruff = Path(sys.executable).with_name("ruff")
    for words in (["check"], ["format", "--check"]):
        told = subprocess.run(  # noqa: S603 - a linter, on our own file
            [ruff, *words, path], cwd=folder, capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stdout


def test_a_column_that_is_new_in_the_models_is_added_by_a_revision(copy):
    folder, url = copy
    env = folder / "migrations/env.py"
    column = "models.goals.append_column(models.sa.Column('extra', models.sa.Text()))"
    env.write_text(env.read_text().replace("\n\ndef _run", f"\n{column}\n\n\ndef _run"))
    text = generated(folder, url).read_text()
    assert "batch_op.add_column(sa.Column('extra', sa.Text(), nullable=True))" in text
    assert "batch_op.drop_column('extra')" in text


def ours():
    """The revisions behind those of Watcher."""
    return list(revisions.script().iterate_revisions("head", FOREIGN_HEAD))


@pytest.mark.parametrize("step", ours(), ids=lambda step: step.revision)
def test_a_revision_of_ours_touches_the_database_through_steps_only(step):
    tree = ast.parse(Path(step.path).read_text())
    of_op = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "op"
    }
    assert of_op == {"get_context"}
