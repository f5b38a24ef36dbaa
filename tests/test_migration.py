# SPDX-License-Identifier: Apache-2.0
"""The schema that the migrations make is the one that the tables describe."""

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from tests.population import HEAD, differences
from watcher_objects import db, exception
from watcher_objects.db import migration


def test_the_migrations_make_what_the_models_say(database):
    migration.upgrade()
    assert differences() == []
    assert migration.version() == HEAD


def test_the_plain_command_of_alembic_moves_the_schema_too(url, database, monkeypatch):
    monkeypatch.setenv("WATCHER_OBJECTS_DATABASE", url)
    command.downgrade(migration.config(), "base")
    command.upgrade(migration.config(), "head")
    assert migration.version() == HEAD
    assert differences() == []


def test_a_database_without_a_schema_has_no_version(tmp_path):
    db.configure(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert migration.version() is None
    db.dispose()


def test_a_foreign_version_table_gives_an_error_of_ours(tmp_path):
    db.configure(f"sqlite:///{tmp_path / 'foreign.sqlite'}")
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (other INTEGER)")
    for call in (migration.version, migration.upgrade):
        with pytest.raises(exception.DatabaseError):
            call()
    db.dispose()


def test_there_is_one_head():
    assert ScriptDirectory.from_config(migration.config()).get_heads() == [HEAD]


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "migrations/versions").glob("[!_]*.py")), ids=str
)
def test_a_revision_imports_alembic_and_sqlalchemy_only(path):
    imported = re.findall(r"^(?:from|import) (\w+)", path.read_text(), flags=re.M)
    assert set(imported) <= {"alembic", "sqlalchemy", "typing"}
