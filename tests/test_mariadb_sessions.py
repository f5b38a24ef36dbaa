# SPDX-License-Identifier: Apache-2.0
"""What a session on MariaDB is set up to, whatever an account, a server or a caller has set."""

import struct
from contextlib import closing

import pymysql
import pytest
import sqlalchemy as sa
from pymysql.connections import MySQLResult
from pymysql.constants import CLIENT

from tests import factory, roundtrip, servers
from tests.chaos import instances
from watcher_objects import Audit, Goal, Transition, db, exception
from watcher_objects.db import migration, models
from watcher_objects.testing import database as databases

#: What others may set a variable to, and what a session of ours has.
VARIABLES = {
    "autocommit": ("0", 1),
    "check_constraint_checks": ("0", 1),
    "completion_type": ("'CHAIN'", "NO_CHAIN"),
    "default_storage_engine": ("'Aria'", "InnoDB"),
    "foreign_key_checks": ("0", 1),
    "innodb_lock_wait_timeout": ("1", 20),
    "innodb_strict_mode": ("0", 1),
    "insert_id": ("1", 0),
    "lc_messages": ("'ja_JP'", "en_US"),
    "lock_wait_timeout": ("1", 20),
    "max_join_size": ("1", 1),
    "max_sort_length": ("64", 65535),
    "max_statement_time": ("1", 0),
    "sort_buffer_size": ("1024", 2 << 20),
    "sql_auto_is_null": ("1", 0),
    "sql_big_selects": ("0", 1),
    "sql_if_exists": ("1", 0),
    "sql_quote_show_create": ("0", 1),
    "sql_safe_updates": ("1", 0),
    "sql_select_limit": ("1", 2**64 - 1),
    "time_zone": ("'+05:45'", "+00:00"),
    "tx_isolation": ("'SERIALIZABLE'", "READ-COMMITTED"),
    "tx_read_only": ("1", 0),
    "unique_checks": ("0", 1),
    "character_set_client": ("latin1", "utf8mb4"),
    "character_set_connection": ("ucs2", "utf8mb4"),
    "character_set_results": ("ucs2", "utf8mb4"),
}
#: Of each class one: what statements check, return, compare, sort, parse and commit.
SETTINGS = [
    ", ".join(f"{name} = {value}" for name, (value, _) in VARIABLES.items()),
    "sql_select_limit = 1",
    "max_join_size = 1, sql_safe_updates = 1",
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE'",
    "sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL,PAD_CHAR_TO_FULL_LENGTH,NO_AUTO_VALUE_ON_ZERO'",
    "sql_mode = 0",
    "NAMES latin1",
    "completion_type = 'RELEASE'",
    "max_sort_length = 64, sort_buffer_size = 1024, max_length_for_sort_data = 4",
    "div_precision_increment = 0, group_concat_max_len = 4, timestamp = 1, lc_time_names = ja_JP, "
    "optimizer_switch = 'derived_merge=off', in_predicate_conversion_threshold = 2, "
    "tmp_table_size = 1024, max_heap_table_size = 16384, join_buffer_size = 128, big_tables = 1",
]
#: What changes how tables are made, too.
FOR_TABLES = (
    "default_storage_engine = Aria, innodb_strict_mode = 0, sql_if_exists = 1, "
    "alter_algorithm = INSTANT, sql_quote_show_create = 0, foreign_key_checks = 0, "
    "explicit_defaults_for_timestamp = 0, sql_select_limit = 1, NAMES latin1"
)
ARGUMENTS = [
    {"autocommit": False},
    {"charset": "latin1"},
    {"client_flag": CLIENT.IGNORE_SPACE},
    {"conv": {}},
    {"cursorclass": pymysql.cursors.SSDictCursor},
    {"defer_connect": True},
    {"init_command": "START TRANSACTION"},
    {"sql_mode": "ANSI"},
    {"use_unicode": False},
]

mariadb = pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)


@mariadb
@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_of_a_session_change_no_answer(url, database, context, settings):
    db.configure(url, connect_args={"init_command": f"SET {settings}"})
    assert roundtrip.answers(context, url) == roundtrip.EXPECTED


@mariadb
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: next(iter(arguments)))
def test_arguments_of_the_driver_change_no_answer(url, database, context, arguments):
    db.configure(url, connect_args=arguments)
    assert roundtrip.answers(context, url) == roundtrip.EXPECTED


@mariadb
def test_a_stale_row_still_matches_an_update(url, database, context):
    db.configure(url, connect_args={"client_flag": 0})
    factory = roundtrip.testing.Factory(context)
    goal = factory.goal()
    with db.get_engine().connect() as connection:
        same = sa.update(models.goals).values(name=goal.name).where(models.goals.c.id == goal.id)
        assert connection.execute(same).rowcount == 1


@mariadb
@pytest.mark.parametrize(
    "command", ["nonsense", "SET no_such_setting = 1", "SET NAMES none", "SET tx_isolation = 'x'"]
)
def test_a_session_that_can_not_be_set_up_is_refused_at_once(url, database, context, command):
    db.configure(url, retry_for=5, connect_args={"init_command": command})
    with pytest.raises(exception.DatabaseError, match="the session can't be set up") as caught:
        Goal.list(context)
    assert not isinstance(caught.value, exception.DatabaseUnavailable)


@mariadb
def test_a_session_sets_every_variable_that_the_library_depends_on(url, database):
    db.configure(url, retry_for=20, connect_args={"init_command": f"SET {SETTINGS[0]}"})
    with db.get_engine().connect() as connection:
        asked = f"SELECT {', '.join(f'@@{name} AS {name}' for name in VARIABLES)}"
        found = dict(connection.exec_driver_sql(asked).mappings().one())
    assert found == {name: expected for name, (_, expected) in VARIABLES.items()}


@mariadb
def test_a_new_session_takes_few_round_trips(url, database, monkeypatch):
    sent = []
    execute = pymysql.connections.Connection._execute_command
    monkeypatch.setattr(
        pymysql.connections.Connection,
        "_execute_command",
        lambda self, command, sql: sent.append(sql) or execute(self, command, sql),
    )
    with db.get_engine().connect():
        # What SQLAlchemy asks a server once is not of the session.
        db.get_engine().dispose()
        sent.clear()
    with db.get_engine().connect():
        assert len(sent) <= 5, sent


def stored(url):
    """Return the engines and collations of all tables and columns."""
    with closing(servers.admin(url).connect()) as connection:
        tables = "FROM information_schema.tables WHERE table_schema = DATABASE()"
        columns = "FROM information_schema.columns WHERE table_schema = DATABASE()"
        ours = "AND table_name <> 'alembic_version' AND collation_name IS NOT NULL"
        engines = connection.exec_driver_sql(f"SELECT DISTINCT engine {tables}").scalars()
        found = connection.exec_driver_sql(f"SELECT DISTINCT collation_name {columns} {ours}")
        return {*engines}, {*found.scalars()}


@pytest.fixture(scope="module")
def own_server():
    with instances.shelter() as folder:
        hurried = "--innodb-flush-log-at-trx-commit=0"
        options = ("--log-bin=log", "--character-set-server=latin1", hurried)
        server = instances.Mariadb(folder / "own", *options)
        try:
            server.start()
            with closing(servers.admin(server.url).connect()) as connection:
                connection.exec_driver_sql("CREATE USER plain@'%%'")
                connection.exec_driver_sql("GRANT ALL ON ours.* TO plain@'%%'")
                connection.exec_driver_sql("SET GLOBAL log_bin_trust_function_creators = ON")
            yield server
        finally:
            server.kill()


@pytest.fixture
def plain(own_server):
    """The URL of a new database for an account that can't set what administrators can."""
    with databases.created(own_server.url, "ours") as url:
        yield sa.make_url(url).set(username="plain").render_as_string()
        db.dispose()


@pytest.fixture
def set_global(own_server):
    """Sets variables of the server until the test ends."""
    with closing(servers.admin(own_server.url).connect()) as connection:
        before = []

        def set_global(name, value):
            before.append((name, connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar()))
            connection.exec_driver_sql(f"SET GLOBAL {name} = %s", (value,))

        yield set_global
        for name, value in reversed(before):
            connection.exec_driver_sql(f"SET GLOBAL {name} = %s", (value,))


def in_database(server, user):
    place = sa.make_url(server.url).set(database="ours", username=user)
    return place.render_as_string()


@pytest.mark.parametrize("mode", ["ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ORACLE"])
def test_modes_of_a_server_change_no_answer_and_no_table(
    own_server, plain, set_global, context, mode
):
    set_global("sql_mode", mode)
    set_global("init_connect", f"SET {FOR_TABLES}")
    db.configure(plain)
    migration.upgrade()
    root = in_database(own_server, "root")
    assert stored(root) == ({"InnoDB"}, {models.COLLATION})
    assert roundtrip.answers(context, root) == roundtrip.EXPECTED
    assert migration.check() == []
    migration.downgrade("base")
    assert stored(root) == ({"InnoDB"}, set())


@pytest.mark.parametrize(("name", "value"), [("binlog_format", "STATEMENT"), ("sql_log_bin", "0")])
def test_what_a_session_can_not_set_is_verified(own_server, plain, context, name, value):
    root = in_database(own_server, "root")
    db.configure(root, retry_for=5, connect_args={"init_command": f"SET {name} = {value}"})
    for call in (lambda: Goal.list(context), migration.upgrade):
        with pytest.raises(exception.DatabaseError, match=f"{name} must be") as caught:
            call()
        assert not isinstance(caught.value, exception.DatabaseUnavailable)


@mariadb
def test_an_incomplete_answer_is_a_lost_connection(database, context, monkeypatch):
    audit = factory.stored(Audit, context)
    describe, struck = MySQLResult._get_descriptions, []

    def incomplete(result):
        describe(result)
        if not struck:
            struck.append(result)
            raise struct.error("unpack_from requires a buffer of at least 9 bytes")

    monkeypatch.setattr(MySQLResult, "_get_descriptions", incomplete)
    audit.state = "ONGOING"
    audit.save()
    assert struck
    assert (audit.state, audit.old_state) == ("ONGOING", "PENDING")
    assert [step.seq for step in Transition.of(context, audit)] == [2, 1]
