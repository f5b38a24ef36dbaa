# SPDX-License-Identifier: Apache-2.0
"""The plain ``alembic`` command, as developers run it in a checkout."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.documents import ROOT
from tests.population import FOREIGN_HEAD, HEAD
from watcher_objects import db
from watcher_objects.db import migration
from watcher_objects.db.migration import revisions

#: The command, several times in one process.
COMMANDS = (
    "import sys; from alembic.config import main; [*map(main, map(str.split, sys.argv[1:]))]"
)


def alembic(folder, url, *commands):
    """Run it in a folder that has a pyproject.toml, and return what it prints."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "ignore", "-c", COMMANDS, *commands],
        cwd=folder,
        env={**os.environ, "WATCHER_OBJECTS_DATABASE": url},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout


def test_it_creates_a_schema_and_finds_no_difference(tmp_path):
    url = f"sqlite:///{tmp_path / 'audits.sqlite'}"
    printed = alembic(ROOT, url, "upgrade head", "check", "history", "current")
    checked, *history, current = printed.splitlines()
    assert checked == "No new upgrade operations detected."
    assert len(history) == len(migration.history())
    assert history[0].split()[2] == HEAD
    assert current.split() == [HEAD, "(head)"]
    db.configure(url)
    assert migration.check() == []
    db.dispose()


def test_a_column_that_is_new_in_the_models_is_added_by_a_revision(tmp_path):
    folder, url = tmp_path / "checkout", f"sqlite:///{tmp_path / 'audits.sqlite'}"
    shutil.copytree(ROOT / "migrations", folder / "migrations")
    shutil.copy(ROOT / "pyproject.toml", folder)
    env = folder / "migrations/env.py"
    column = "models.goals.append_column(models.sa.Column('extra', models.sa.Text()))"
    env.write_text(env.read_text().replace("\n\ndef _run", f"\n{column}\n\n\ndef _run"))
    db.configure(url)
    migration.upgrade()
    db.dispose()
    alembic(folder, url, "revision --autogenerate --rev-id 0003_add_this -m Add-this")
    (path,) = (folder / "migrations/versions").glob("0003_add_this*.py")
    text = path.read_text()
    assert f'\ndown_revision = "{HEAD}"\n' in text
    assert "batch_op.add_column(sa.Column('extra', sa.Text(), nullable=True))" in text
    assert "batch_op.drop_column('extra')" in text
    ruff = Path(sys.executable).with_name("ruff")
    subprocess.run([ruff, "check", path], cwd=folder, check=True)  # noqa: S603 - a linter


def test_revisions_of_ours_touch_the_database_through_steps_only():
    for step in revisions.script().iterate_revisions("head", FOREIGN_HEAD):
        of_op = {
            node.attr
            for node in ast.walk(ast.parse(Path(step.path).read_text()))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "op"
        }
        assert of_op == {"get_context"}, step.revision
