# SPDX-License-Identifier: Apache-2.0
"""The schema that the migrations make is the one that the tables describe."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tests.population import HEAD, differences
from watcher_objects import db, exception
from watcher_objects.db import migration, models


def test_the_migrations_make_what_the_models_say(database):
    assert differences() == []
    assert migration.version() == HEAD


def test_upgrading_twice_changes_nothing(database):
    migration.upgrade()
    assert migration.version() == HEAD
    assert differences() == []


def test_names_of_unique_keys_are_those_of_watcher(database):
    inspector = sa.inspect(db.get_engine())
    for table in models.metadata.sorted_tables:
        expected = {c.name for c in table.constraints if isinstance(c, sa.UniqueConstraint)}
        assert {key["name"] for key in inspector.get_unique_constraints(table.name)} >= expected


def test_down_and_up_again_is_the_same_schema(database):
    migration.downgrade("base")
    assert migration.version() is None
    assert set(sa.inspect(db.get_engine()).get_table_names()) <= {"alembic_version"}
    migration.upgrade()
    assert differences() == []


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
