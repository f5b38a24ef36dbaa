# SPDX-License-Identifier: Apache-2.0
"""Triggers and policies that suppress or change writes, in a configured database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests import servers
from watcher_objects import db

_SUPPRESS = {"sqlite": "SELECT RAISE(IGNORE);", "postgresql": "RETURN NULL;"}


@contextmanager
def trigger(url: str, table: str, verb: str, change: str = "", when: str = "") -> Iterator[None]:
    """Suppress a verb on a table, or change what is written to its rows.

    :param change: an assignment like ``NEW.state = OLD.state``; empty: nothing is written
    :param when: a condition on the rows, on SQLite and PostgreSQL
    """
    with closing(servers.admin(url).connect()) as connection:
        run, name, dialect = connection.exec_driver_sql, "suppressor", connection.dialect.name
        made = f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW"
        when = when and f" WHEN ({when})"
        if dialect == "sqlite":
            run(f"{made}{when} BEGIN {_SUPPRESS[dialect]} END")
        elif dialect == "mysql":
            run(f"{made} SET {change}")
        else:
            body = f"{change.replace('=', ':=')}; RETURN NEW;" if change else _SUPPRESS[dialect]
            head = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
            run(f"{head} AS $$ BEGIN {body} END $$")
            run(f"{made}{when} EXECUTE FUNCTION {name}()")
        try:
            yield
        finally:
            run(f"DROP TRIGGER {name}{f' ON {table}' if dialect == 'postgresql' else ''}")


@contextmanager
def policy(url: str, *tables: str) -> Iterator[None]:
    """Configure a PostgreSQL account that reads and adds rows of tables, and changes none."""
    may = "SELECT, INSERT, UPDATE, DELETE"
    with closing(servers.admin(url).connect()) as connection, servers.account(url, may) as limited:
        run = connection.exec_driver_sql
        for table in tables:
            run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            run(f"CREATE POLICY readable ON {table} FOR SELECT USING (true)")
            run(f"CREATE POLICY addable ON {table} FOR INSERT WITH CHECK (true)")
        db.configure(limited)
        try:
            yield
        finally:
            db.configure(url)
            for table in tables:
                run(f"DROP POLICY readable ON {table}")
                run(f"DROP POLICY addable ON {table}")
                run(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
