# SPDX-License-Identifier: Apache-2.0
"""What a server does for a while, and is not the caller's fault: calls are retried."""

import threading
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import factory, servers
from watcher_objects import Audit, Goal, db, exception

ON_SERVERS = pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
#: The codes by which a server that was demoted rejects a write.
READ_ONLY = {"postgresql": ["25006"], "mysql": [1290, 1792, 1836]}
TRIGGERS = {
    "postgresql": (
        "CREATE OR REPLACE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT 1 FROM demoted) THEN "
        "RAISE EXCEPTION 'demoted' USING ERRCODE = '{}'; END IF; RETURN new; END $$",
        "CREATE TRIGGER reject BEFORE UPDATE ON audits FOR EACH ROW EXECUTE FUNCTION reject()",
    ),
    "mysql": (
        "CREATE TRIGGER reject BEFORE UPDATE ON audits FOR EACH ROW BEGIN "
        "IF EXISTS (SELECT 1 FROM demoted) THEN SIGNAL SQLSTATE 'HY000' "
        "SET MYSQL_ERRNO = {}, MESSAGE_TEXT = 'demoted'; END IF; END",
    ),
}


@pytest.fixture
def outside(url, database):
    """Another session."""
    with closing(servers.admin(url).connect()) as connection:
        yield connection


@pytest.fixture
def demoted(url, database, outside):
    """Makes the server reject writes by a code, until the table of that name is empty."""
    outside.exec_driver_sql("CREATE TABLE demoted (code INTEGER)")

    def demote(code):
        for statement in TRIGGERS[database]:
            outside.exec_driver_sql(statement.format(code))
        outside.exec_driver_sql("INSERT INTO demoted VALUES (1)")

    yield demote
    table = " ON audits" if database == "postgresql" else ""
    outside.exec_driver_sql(f"DROP TRIGGER reject{table}")
    outside.exec_driver_sql("DROP TABLE demoted")


@ON_SERVERS
@pytest.mark.parametrize("number", range(3))
def test_a_call_waits_for_a_server_that_takes_writes(url, database, context, demoted, number):
    codes = READ_ONLY[database]
    audit = factory.stored(Audit, context)
    connections = []
    sa.event.listen(db.get_engine(), "connect", lambda *_: connections.append(1))
    demoted(codes[number % len(codes)])

    def promote():
        with closing(servers.admin(url).connect()) as connection:
            connection.exec_driver_sql("DELETE FROM demoted")

    promotion = threading.Timer(0.3, promote)
    promotion.start()
    audit.status_message = "saved"
    audit.save()
    promotion.join()
    # The connection led to the server that was demoted.
    assert connections


@ON_POSTGRESQL
def test_calls_go_on_when_a_column_gets_another_type(url, database, context, outside):
    audit = factory.stored(Audit, context)
    for _ in range(12):
        Audit.get(context, audit.id)
    alter = 'ALTER TABLE audits ALTER hostname TYPE varchar({}) COLLATE "C"'
    outside.exec_driver_sql(alter.format(300))
    try:
        assert Audit.get(context, audit.id) == audit
    finally:
        outside.exec_driver_sql(alter.format(255))


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
@pytest.mark.parametrize("column", ["hostname__new", "other"])
def test_triggers_of_an_upgrade_without_their_columns_are_waited_for(
    database, context, outside, column
):
    audit = factory.stored(Audit, context)
    run = outside.exec_driver_sql
    run(f"ALTER TABLE audits ADD COLUMN {column} TEXT")
    run(f"CREATE TRIGGER stale BEFORE UPDATE ON audits FOR EACH ROW SET NEW.{column} = 'a'")
    run(f"ALTER TABLE audits DROP COLUMN {column}")
    end = threading.Timer(0.3, run, ["DROP TRIGGER stale"])
    end.start()
    try:
        audit.hostname = "node-1"
        if column == "other":
            with pytest.raises(exception.DatabaseError, match="1054"):
                audit.save()
        else:
            audit.save()
    finally:
        end.join()


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
def test_a_copy_of_a_table_that_can_not_be_used_is_waited_for(database, context, outside):
    audit = factory.stored(Audit, context)
    run = outside.exec_driver_sql
    # What the server says where KILL ends a session that is opening a table with triggers.
    text = "Unknown trigger has an error in its body: 'Query was empty'".replace("'", "''")
    signal = f"SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO = 1064, MESSAGE_TEXT = '{text}'"
    run(f"CREATE TRIGGER broken BEFORE UPDATE ON audits FOR EACH ROW {signal}")
    end = threading.Timer(0.3, run, ["DROP TRIGGER broken"])
    end.start()
    try:
        audit.hostname = "node-1"
        audit.save()
    finally:
        end.join()


@ON_SERVERS
def test_a_time_limit_of_statements_is_one_of_the_lock_waited_for(url, database, context, outside):
    goal = factory.stored(Goal, context)
    limits = {
        "postgresql": {"options": "-c statement_timeout=200"},
        "mysql": {"init_command": "SET SESSION max_statement_time = 0.2"},
    }
    db.configure(url, retry_for=2, connect_args=limits[database])
    outside.exec_driver_sql("BEGIN")
    outside.exec_driver_sql("SELECT * FROM goals FOR UPDATE")
    goal.display_name = "waits"
    with pytest.raises(exception.DatabaseUnavailable):
        goal.save()
    outside.exec_driver_sql("ROLLBACK")
    goal.save()


#: What keeps an account out until an administrator unlocks it.
SHUT = {
    "postgresql": ["ALTER ROLE {} NOLOGIN"],
    "mysql": ["ALTER USER {} ACCOUNT LOCK", "ALTER USER {} PASSWORD EXPIRE"],
}


@ON_SERVERS
@pytest.mark.parametrize("number", range(2))
def test_an_account_that_is_shut_out_is_reported_at_once(url, database, context, outside, number):
    statements = SHUT[database]
    with servers.account(url, "SELECT, INSERT") as allowed:
        name = sa.make_url(allowed).username
        db.configure(allowed)
        Goal.list(context)
        outside.exec_driver_sql(statements[number % len(statements)].format(name))
        db.configure(allowed)
        began = time.monotonic()
        with pytest.raises(exception.DatabaseError, match="account can't connect") as raised:
            Goal.list(context)
        assert not isinstance(raised.value, exception.DatabaseUnavailable)
        assert time.monotonic() - began < 5
        db.dispose()
