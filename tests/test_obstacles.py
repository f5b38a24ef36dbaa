# SPDX-License-Identifier: Apache-2.0
"""What a database's owner has made of its tables: kept by an upgrade, or named if in its way."""

import pytest
import sqlalchemy as sa

from tests import population
from tests.population import FOREIGN_HEAD, HEAD, differences, fill, run, tables
from watcher_objects import db, exception
from watcher_objects.db import migration
from watcher_objects.db.migration.diagnostics import Need

#: What depends on columns of audits, how it is named, and how it is dropped.
DEPENDENTS = {
    "postgresql": [
        ("CREATE VIEW v AS SELECT name, state FROM audits", "view v", "DROP VIEW v"),
        (
            "CREATE MATERIALIZED VIEW m AS SELECT name FROM audits",
            "materialized view m",
            "DROP MATERIALIZED VIEW m",
        ),
        (
            "CREATE RULE r AS ON DELETE TO audits WHERE OLD.state = 'ONGOING' DO INSTEAD NOTHING",
            "rule r on table audits",
            "DROP RULE r ON audits",
        ),
        (
            "CREATE TRIGGER t BEFORE UPDATE OF name ON audits"
            " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger t on table audits",
            "DROP TRIGGER t ON audits",
        ),
        (
            "CREATE POLICY p ON audits USING (state = 'PENDING')",
            "policy p on table audits",
            "DROP POLICY p ON audits",
        ),
        (
            "ALTER TABLE audits ADD g TEXT GENERATED ALWAYS AS (name || 'x') STORED",
            "default value for column g of table audits",
            "ALTER TABLE audits DROP g",
        ),
        (
            "CREATE TABLE f (uuid VARCHAR(36) REFERENCES audits (uuid))",
            "constraint f_uuid_fkey on table f",
            "DROP TABLE f",
        ),
    ],
    "mariadb": [
        (
            "ALTER TABLE audits ADD g VARCHAR(70) AS (concat(name, 'x')) VIRTUAL",
            "generated column g of audits",
            "ALTER TABLE audits DROP g",
        ),
        (
            "ALTER TABLE audits ADD CONSTRAINT c CHECK (state <> 'x')",
            "check constraint c of audits",
            "ALTER TABLE audits DROP CONSTRAINT c",
        ),
        (
            "ALTER TABLE audits ADD FULLTEXT i (scope)",
            "fulltext index i of audits",
            "ALTER TABLE audits DROP INDEX i",
        ),
        (
            "CREATE TABLE f (uuid VARCHAR(36), CONSTRAINT k FOREIGN KEY (uuid)"
            " REFERENCES audits (uuid)) CHARACTER SET latin1",
            "foreign key k of f",
            "DROP TABLE f",
        ),
    ],
}


def say(*statements):
    """Run statements in a session of its own."""
    with db.get_engine().connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.invalidate()


def make_inexact():
    """Let text compare as in a database that Watcher has made."""
    if db.get_engine().dialect.name == "mysql":
        names = [f"ALTER TABLE {table} CONVERT TO CHARACTER SET latin1" for table in tables()]
        say("SET foreign_key_checks = 0", *names)
    elif db.get_engine().dialect.name == "postgresql":
        texts = {c.name: c.type.length for c in audits().columns if isinstance(c.type, sa.String)}
        kinds = {
            name: f"VARCHAR({length})" if length else "TEXT" for name, length in texts.items()
        }
        for name, kind in kinds.items():
            say(f'ALTER TABLE audits ALTER "{name}" TYPE {kind} COLLATE "default"')


def audits():
    return next(table for table in tables() if table.name == "audits")


@pytest.fixture
def old(empty_database):
    """A configured database as Watcher makes it, and the kind of it."""
    migration.upgrade(FOREIGN_HEAD)
    make_inexact()
    kind = sa.make_url(empty_database).get_backend_name()
    return {"mysql": "mariadb"}.get(kind, kind)


@pytest.mark.parametrize("empty_database", DEPENDENTS, indirect=True)
def test_what_depends_on_a_column_is_named_before_anything_is_changed(old):
    before = [str(table.columns) for table in tables()]
    for statement, what, remedy in DEPENDENTS[old]:
        say(statement)
        found = [f for f in migration.check() if f.need is Need.PERSON]
        assert [f.what.partition(" uses audits.")[0] for f in found] == [what]
        assert found[0].what.endswith(", whose type db upgrade changes")
        with pytest.raises(exception.InvalidRevision, match=f"{what} uses audits.*: drop it"):
            migration.upgrade()
        say(remedy)
    assert migration.version() == FOREIGN_HEAD
    assert [str(table.columns) for table in tables()] == before


def test_a_view_of_columns_that_keep_their_types_is_not_an_obstacle(old):
    say("CREATE VIEW v AS SELECT id, goal_id FROM audits")
    assert [f for f in migration.check() if f.need is Need.PERSON] == []
    migration.upgrade()
    assert run(sa.text("SELECT goal_id FROM v")) == []


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_a_view_does_not_stop_revisions_that_change_no_type(old):
    say("CREATE VIEW v AS SELECT name FROM audits")
    with pytest.raises(exception.InvalidRevision):
        migration.upgrade()
    say("DROP VIEW v")
    migration.upgrade("+1")
    say("CREATE VIEW v AS SELECT name FROM audits")
    migration.upgrade()
    assert migration.version() == HEAD


@pytest.mark.parametrize("empty_database", ["sqlite", "mariadb"], indirect=True)
def test_views_triggers_and_indexes_outlive_an_upgrade(old, monkeypatch):
    monkeypatch.setattr(population, "TEXT", "café")  # what latin1 has
    for table in tables():
        fill(table, [1])
    is_sqlite = old == "sqlite"
    body = "BEGIN INSERT INTO noted VALUES (NEW.name); END" if is_sqlite else (
        "FOR EACH ROW INSERT INTO noted VALUES (NEW.name)"
    )  # fmt: skip
    say(
        "CREATE VIEW v AS SELECT name FROM audits WHERE state <> 'x'",
        "CREATE TABLE noted (name VARCHAR(63))",
        f"CREATE TRIGGER mine AFTER UPDATE ON audits {body}",
        f"CREATE INDEX mine ON audits ({'lower(name)' if is_sqlite else 'name(5), state'})",
    )
    migration.upgrade()
    assert len(run(sa.text("SELECT name FROM v"))) == 1
    say("DELETE FROM noted", "UPDATE audits SET name = 'new'")
    assert run(sa.text("SELECT name FROM noted")) == [("new",)]
    say("DROP INDEX mine" + ("" if is_sqlite else " ON audits"), "DROP TABLE noted", "DROP VIEW v")
    assert [found for found in differences() if "remove_index" not in found] == []
