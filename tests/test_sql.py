# SPDX-License-Identifier: Apache-2.0
"""What ``--sql`` prints does what a run does."""

import contextlib

import pytest
import sqlalchemy as sa

from tests.population import FOREIGN_HEAD, HEAD, contents, differences, filled, run, same, tables
from watcher_objects import db, exception
from watcher_objects.db import migration


def run_script(text, session=None):
    """Run it as a client of the database does: each statement of its own."""
    with contextlib.nullcontext(session) if session else db.get_engine().connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.connection.driver_connection.executescript(text)
            return
        for statement in text.split(";\n"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if said := "\n".join(lines).strip():
                connection.exec_driver_sql(said)


def test_the_sql_of_all_revisions_makes_the_schema_and_takes_it_away(empty_database):
    for _ in range(2):
        run_script(migration.sql())
        assert differences() == []
        assert migration.version() == HEAD
        run_script(migration.sql("base", down=True))
        assert tables() == []
        assert migration.version() is None
        migration.upgrade("001")
        migration.downgrade("base")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_the_sql_between_two_revisions_needs_no_database(scheme):
    db.configure(f"{scheme}://nobody@127.0.0.1:1/none")
    up, down = f"{FOREIGN_HEAD}:head", f"head:{FOREIGN_HEAD}"
    assert "ix_audits_state" in migration.sql(up)
    assert "DROP TABLE IF EXISTS rpc_requests" in migration.sql(down, down=True)
    with pytest.raises(exception.InvalidRevision):
        migration.sql("nonsense:head")
    with pytest.raises(exception.DatabaseUnavailable):
        migration.sql()
    db.dispose()


@pytest.mark.parametrize("empty_database", ["mariadb"], indirect=True)
def test_the_sql_makes_the_same_schema_in_a_session_of_another_mode(empty_database):
    script = migration.sql()
    session = sa.create_engine(
        sa.make_url(empty_database).set(drivername="mysql+pymysql"),
        isolation_level="AUTOCOMMIT",
        connect_args={"init_command": "SET sql_mode = 'ORACLE', default_storage_engine = Aria"},
    )
    with session.connect() as connection:
        run_script(script, connection)
    session.dispose()
    assert differences() == []
    assert migration.check() == []


def test_the_sql_of_an_upgrade_keeps_what_is_stored(empty_database):
    filled()
    before, schema = contents(), [str(table.columns) for table in tables()]
    text = migration.sql()
    assert migration.sql("base", down=True)
    assert migration.version() == FOREIGN_HEAD
    assert [str(table.columns) for table in tables()] == schema
    run_script(text)
    assert differences() == []
    assert before.keys() == contents().keys()
    same(before, contents())
    # What it can't do is stated where it would be done.
    left_out = [line for line in text.splitlines() if line.startswith("-- Left out")]
    if empty_database.startswith("sqlite"):
        assert run(sa.text("SELECT 1 FROM audits WHERE name IS NULL")) == []
    else:
        assert [line.split(": ")[1].split()[0] for line in left_out] == ["naming", "parting"]
