# SPDX-License-Identifier: Apache-2.0
"""Configuring a database, and what happens if it is not available."""

import re
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import traceback
from contextlib import closing, suppress

import pytest
import sqlalchemy as sa

from tests import factory
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db import migration, transactions
from watcher_objects.db.backend import database as backend


@pytest.fixture
def unconfigured():
    db.dispose()
    yield
    db.dispose()


@pytest.fixture
def path(unconfigured, tmp_path):
    return tmp_path / "audits.sqlite"


def test_before_it_is_configured_an_error_says_how(unconfigured, context):
    for call in (
        db.get_engine,
        lambda: Audit.list(context),
        lambda: factory.stored(Goal, context),
    ):
        with pytest.raises(exception.DatabaseNotConfigured, match=r"db\.configure\("):
            call()
    with pytest.raises(exception.DatabaseNotConfigured), db.transaction():
        pass


def test_sqlite_is_durable_and_private(path):
    db.configure(f"sqlite:///{path}")
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
        for name, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value
        modes = {entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert modes == {0o600}


def test_a_file_that_was_there_keeps_its_mode(path):
    path.touch(mode=0o640)
    db.configure(f"sqlite:///{path}")
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_transaction_on_sqlite_takes_the_write_lock_at_once(sqlite, listen):
    began = []
    listen(lambda *given: began.append(given[2].split(" level")[0]))
    with db.transaction():
        assert began == ["BEGIN IMMEDIATE"]


def test_a_callers_own_timeout_of_sqlite_holds_where_it_is_shorter(path):
    db.configure(f"sqlite:///{path}", connect_args={"timeout": 0.1})
    began = time.monotonic()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        with backend.connect():
            other.execute("BEGIN IMMEDIATE")
        with backend.connect() as connection, pytest.raises(sa.exc.DBAPIError):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    assert time.monotonic() - began < 10


def test_a_callers_own_factory_of_connections_is_used(unconfigured):
    class Connection(sqlite3.Connection):
        pass

    db.configure("sqlite://", connect_args={"factory": Connection})
    with backend.connect() as connection:
        assert isinstance(connection.connection.dbapi_connection, Connection)


def test_a_connection_that_is_given_up_keeps_no_lock(path):
    db.configure(f"sqlite:///{path}")
    with backend.connect() as connection, closing(sqlite3.connect(path, timeout=0)) as other:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        # What is kept for the next statement, had an interrupt come before its rows.
        connection.info["cursor"] = connection.connection.cursor()
        connection.info["cursor"].execute("SELECT 1 UNION SELECT 2")
        connection.invalidate()
        other.execute("BEGIN IMMEDIATE")


def test_memory_is_one_database_for_all_threads(unconfigured, context):
    db.configure("sqlite://")
    migration.upgrade()
    thread = threading.Thread(target=lambda: factory.stored(Goal, context))
    thread.start()
    thread.join()
    assert len(Goal.list(context)) == 1


def test_mariadb_is_spoken_to_in_utf8mb4_whatever_the_url_says(unconfigured):
    for url in ("mysql://u@h/d", "mariadb+pymysql://u@h/d?charset=latin1"):
        db.configure(url)
        assert db.get_engine().url.query["charset"] == "utf8mb4"


def test_options_reach_the_engine(unconfigured):
    db.configure("postgresql://nobody@127.0.0.1/x", pool_size=3)
    assert db.get_engine().pool.size() == 3


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:CANARY@127.0.0.1:1/x",
        "postgresql://u@127.0.0.1:1/x?password=CANARY",
        "mysql://u:CANARY@127.0.0.1:1/x",
        "sqlite:////no/dir/x",
    ],
)
def test_a_database_that_is_away_is_unavailable_without_its_password(unconfigured, context, url):
    db.configure(url, retry_for=0)
    for call in (lambda: Goal.list(context), lambda: factory.stored(Goal, context)):
        with pytest.raises(exception.DatabaseUnavailable) as caught:
            call()
        assert caught.value.code == 503
        assert "CANARY" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "url", ["mysql://u@127.0.0.1/x?bogus=CANARY", "mysql://u:CANARY\ud800@127.0.0.1/x"], ids=repr
)
def test_what_a_driver_can_not_use_is_in_no_error(unconfigured, context, url):
    db.configure(url)
    with pytest.raises(exception.DatabaseError) as caught:
        Goal.list(context)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("shared_url", "say", "unavailable"),
    [
        ("mariadb", "SIGNAL SQLSTATE '08004' SET MYSQL_ERRNO = 1040", True),
        ("mariadb", "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1053", True),
        ("mariadb", "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205", True),
        ("mariadb", "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213", True),
        ("mariadb", "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1366", False),
        ("postgresql", "DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", True),
        ("postgresql", "DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", True),
        ("postgresql", "DO $$ BEGIN RAISE SQLSTATE '22P02'; END $$", False),
    ],
    indirect=["shared_url"],
)
def test_errors_are_known_by_their_codes(database, say, unavailable):
    with pytest.raises(exception.DatabaseError) as caught:
        transactions.execute(sa.text(say))
    assert isinstance(caught.value, exception.DatabaseUnavailable) is unavailable
    (code,) = re.findall(r"'(?!08S01|08004|HY000)(\w{5})'|ERRNO = (\d+)", say)[-1:]
    assert max(code) in str(caught.value)


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
@pytest.mark.parametrize(("asked", "times"), [({}, 0), ({"ssl": {"verify_mode": "none"}}, 2)])
def test_certificates_are_read_where_tls_is_asked_for(url, database, monkeypatch, asked, times):
    read = []
    make = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **o: read.append(o) or make(**o))
    for _ in range(2):
        db.configure(url, connect_args=asked)
        # Not every server speaks TLS.
        with suppress(exception.WatcherException), backend.connect():
            pass
    assert len(read) == times


def test_a_database_without_our_tables_says_so_in_our_words(path, context):
    db.configure(f"sqlite:///{path}")
    with pytest.raises(exception.DatabaseError, match="OperationalError"):
        Goal.list(context)


def test_importing_the_library_imports_no_driver_and_no_alembic():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); import watcher_objects.db;"
        "print(sorted({'psycopg', 'pymysql', 'alembic', 'cliff'} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
