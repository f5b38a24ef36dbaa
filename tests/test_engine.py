# SPDX-License-Identifier: Apache-2.0
"""Being told which database, and what becomes of one that is not there."""

import os
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


def pragma(name):
    with db.get_engine().connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


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
    migration.upgrade()
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("foreign_keys") == 1
    modes = {entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert modes == {0o600}


def test_a_file_that_was_there_keeps_its_mode(path):
    path.touch(mode=0o640)
    db.configure(f"sqlite:///{path}")
    migration.upgrade()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_transaction_on_sqlite_takes_the_write_lock_at_once(path, context):
    db.configure(f"sqlite:///{path}")
    migration.upgrade()
    began = []
    sa.event.listen(
        db.get_engine(), "before_cursor_execute", lambda *a: began.append(a[2].split(" level")[0])
    )
    with db.transaction():
        assert began == ["BEGIN IMMEDIATE"]


@pytest.fixture
def locker(path):
    """A connection of others, which may write."""
    db.configure(f"sqlite:///{path}")
    migration.upgrade()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        yield other


def test_a_write_waits_for_sqlites_lock(locker, context):
    locker.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, locker.execute, ["COMMIT"])
    release.start()
    began = time.monotonic()
    factory.stored(Goal, context)
    release.join()
    assert time.monotonic() - began > 0.15


def test_a_wait_for_sqlites_lock_ends_with_its_call(locker, context):
    backend.current().timeout = 0.2
    locker.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(exception.DatabaseUnavailable):
        factory.stored(Goal, context)
    assert time.monotonic() - began < 10


def test_a_callers_own_timeout_of_sqlite_holds_where_it_is_shorter(locker, path):
    locker.execute("BEGIN IMMEDIATE")
    db.configure(f"sqlite:///{path}", connect_args={"timeout": 0.1})
    began = time.monotonic()
    with backend.connect() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    assert time.monotonic() - began < 10


def test_a_callers_own_factory_of_connections_is_used(unconfigured):
    class Connection(sqlite3.Connection):
        pass

    db.configure("sqlite://", connect_args={"factory": Connection})
    with backend.connect() as connection:
        assert isinstance(connection.connection.dbapi_connection, Connection)


def test_a_connection_that_is_given_up_keeps_no_lock(path, context):
    db.configure(f"sqlite:///{path}")
    migration.upgrade()
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


def test_configure_again_means_the_other_database(path, context):
    db.configure(f"sqlite:///{path}")
    migration.upgrade()
    factory.stored(Goal, context)
    db.configure(f"sqlite:///{path.with_suffix('.other')}")
    migration.upgrade()
    assert Goal.list(context) == []


@pytest.mark.parametrize(
    "options",
    [
        {"isolation_level": "SERIALIZABLE"},
        {"execution_options": {"isolation_level": "SERIALIZABLE"}},
        {"creator": lambda: None},
        {"no_such_option": 1},
        {"poolclass": 5},
    ],
)
def test_an_option_that_can_not_be_used_is_refused(unconfigured, options):
    with pytest.raises(exception.InvalidParameter):
        db.configure("sqlite://", **options)


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


def test_what_is_stored_is_in_no_error_of_the_database(database, context):
    # The column is taken away, so that the driver itself must complain about the write.
    goal = factory.built(Goal, context, display_name="canary")
    goal.create()
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("ALTER TABLE goals RENAME COLUMN display_name TO other")
    try:
        goal.display_name = "canary again"
        with pytest.raises(exception.DatabaseError) as caught:
            goal.save()
    finally:
        with db.get_engine().connect() as connection:
            connection.exec_driver_sql("ALTER TABLE goals RENAME COLUMN other TO display_name")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
def test_a_row_that_postgresql_refuses_is_in_no_error_and_no_log(database, context, caplog):
    # Of a row that breaks a rule of the schema PostgreSQL tells every value.
    secret = [{"canary": 1}]
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("ALTER TABLE goals ADD COLUMN surprise INTEGER NOT NULL")
    try:
        with pytest.raises(exception.DatabaseError) as caught:
            factory.stored(Goal, context, efficacy_specification=secret)
    finally:
        with db.get_engine().connect() as connection:
            connection.exec_driver_sql("ALTER TABLE goals DROP COLUMN surprise")
    told = "".join(traceback.format_exception(caught.value))
    assert "surprise" in told
    assert "canary" not in told + caplog.text


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # eventlet's, and Python's
def test_a_child_process_uses_connections_of_its_own(database, context):
    factory.stored(Goal, context)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        found = len(Goal.list(context))
        factory.stored(Goal, context)
        os.write(writer, bytes([found]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"\x01"
    assert len(Goal.list(context)) == 2


def test_importing_the_library_imports_no_driver_and_no_alembic():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); import watcher_objects.db;"
        "print(sorted({'psycopg', 'pymysql', 'alembic', 'cliff'} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
