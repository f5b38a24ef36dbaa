# SPDX-License-Identifier: Apache-2.0
"""Databases and sessions that PostgreSQL's administrator has set up otherwise."""

import contextlib
import logging
import threading

import pytest
import sqlalchemy as sa
from watcher_objects.migrations import session

from tests import factory, servers
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration
from watcher_objects.db.migration import diagnostics
from watcher_objects.db.migration.lock import migration_lock

pytestmark = pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
TEXTS = ("Zürich", "日本")


@pytest.fixture
def admin(url, database):
    """A connection that has nothing to do with the library's."""
    with contextlib.closing(servers.admin(url).connect()) as connection:
        yield connection


@pytest.fixture
def setting(url, admin):
    """Change a setting of the database, until the test ends."""
    name, changed = sa.make_url(url).database, []

    def change(setting, value):
        admin.exec_driver_sql(f"ALTER DATABASE {name} SET {setting} = {value}")
        changed.append(setting)
        db.configure(url)

    yield change
    for setting in changed:
        admin.exec_driver_sql(f"ALTER DATABASE {name} RESET {setting}")


@pytest.fixture
def encoded(request, shared_url):
    """The encoding of a configured database with our schema."""
    name = f"{servers.SCRATCH}_encoded"
    options = f"ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with contextlib.closing(servers.admin(shared_url).connect()) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} {options}")
        db.configure(sa.make_url(shared_url).set(database=name))
        try:
            yield request.param
        finally:
            db.dispose()
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("where", ["environment", "url"])
def test_the_encoding_of_clients_is_utf8(url, database, context, monkeypatch, where, encoding):
    query = f"?client_encoding={encoding}" if where == "url" else ""
    if where == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", encoding)
    db.configure(url + query)
    for text in TEXTS:
        goal = factory.stored(Goal, context, name=text)
        assert Goal.get(context, goal.id).name == text
    assert [goal.name for goal in Goal.list(context, sort_key="id")] == [*TEXTS]


@pytest.mark.parametrize("encoded", ["LATIN1", "SQL_ASCII"], indirect=True)
def test_an_encoding_that_is_not_utf8_is_reported(encoded, caplog):
    with caplog.at_level(logging.WARNING):
        migration.upgrade()
    assert f"the database's encoding is {encoded}" in caplog.text
    (found,) = migration.check()
    assert found.need is diagnostics.Need.PERSON
    assert f"the database's encoding is {encoded}" in found.what


@pytest.mark.parametrize("encoded", ["LATIN1"], indirect=True)
def test_a_character_that_the_database_lacks_is_an_error_of_its_encoding(encoded, context):
    migration.upgrade()
    assert factory.stored(Goal, context, name="Zürich").name == "Zürich"
    with pytest.raises(exception.DatabaseError, match="encoding"):
        factory.stored(Goal, context, name="日本")


def test_foreign_keys_that_an_account_may_not_enforce_are_an_error(url, database, admin, context):
    with servers.account(url) as place:
        role = sa.make_url(place).username
        admin.exec_driver_sql(f"ALTER ROLE {role} SET session_replication_role = 'replica'")
        db.configure(place)
        with pytest.raises(exception.DatabaseError, match="session_replication_role"):
            Goal.list(context)
        db.dispose()


def test_a_search_path_without_the_tables_is_an_error_of_its_own(setting, context):
    setting("search_path", "nowhere")
    with pytest.raises(exception.DatabaseError, match="search_path"):
        Goal.list(context)
    with pytest.raises(exception.DatabaseError, match="search_path"):
        migration.upgrade()


def test_a_call_waits_for_a_lock_beyond_a_timeout_of_statements(admin, setting, context):
    goal = factory.stored(Goal, context)
    goal.display_name = "changed"
    setting("statement_timeout", "'200ms'")
    admin.exec_driver_sql("BEGIN")
    admin.exec_driver_sql(f"SELECT id FROM goals WHERE id = {goal.id} FOR UPDATE")
    end = threading.Timer(0.5, admin.exec_driver_sql, ["ROLLBACK"])
    end.start()
    goal.save()
    end.join()
    assert Goal.get(context, goal.id).display_name == "changed"


def test_an_upgrade_has_no_timeout_of_statements(setting):
    setting("statement_timeout", "'200ms'")
    with migration_lock() as connection:
        session.begin(connection)
        connection.exec_driver_sql("SELECT pg_sleep(0.4)")


@pytest.mark.parametrize(
    "place", ["postgresql://h/d?pool_mode=no", "mysql://h/d?pool_mode=session"]
)
def test_a_pool_mode_that_is_unknown_is_rejected(place, shared_url):
    with pytest.raises(exception.InvalidParameter, match="pool_mode"):
        db.configure(place)
