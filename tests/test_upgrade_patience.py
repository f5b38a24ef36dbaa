# SPDX-License-Identifier: Apache-2.0
"""Upgrades while transactions of others are open, and with limits that an account may have."""

import contextlib
import threading

import pytest
import sqlalchemy as sa
from watcher_objects.migrations import session

from tests import servers
from tests.conftest import clean
from tests.population import FOREIGN_HEAD, differences, run
from watcher_objects import db
from watcher_objects.db import migration

ONLY_POSTGRESQL = pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
INVALID = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"


@pytest.fixture
def old(url, database):
    """The URL of a configured database whose indexes are yet to be created."""
    migration.downgrade("0001_repair_schema")
    yield sa.make_url(url)
    db.configure(url)
    migration.upgrade()
    clean()


@contextlib.contextmanager
def open_transaction(url, seconds, *statements):
    """Hold a transaction open, for some seconds, from the first statements on."""
    with contextlib.closing(servers.admin(url).connect()) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        end = threading.Timer(seconds, connection.exec_driver_sql, ("ROLLBACK",))
        end.start()
        yield
        end.join()


@ONLY_POSTGRESQL
@pytest.mark.parametrize("limit", [60, 1])
def test_indexes_are_created_when_snapshots_of_others_have_ended(old, monkeypatch, limit):
    """A step waits for them, or gives up, drops the index, which is invalid, and retries."""
    monkeypatch.setattr(session, "SNAPSHOT_TIMEOUT", limit)
    backup = ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM goals")
    with open_transaction(old, 3, *backup):
        migration.upgrade()
    assert run(sa.text(INVALID)) == []
    assert differences() == []


@ONLY_POSTGRESQL
def test_an_invalid_index_that_is_left_is_replaced(old):
    with open_transaction(old, 1, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM goals"):
        with contextlib.closing(servers.admin(old).connect()) as other:
            other.exec_driver_sql("SET lock_timeout = '50ms'")
            with pytest.raises(sa.exc.OperationalError):
                other.exec_driver_sql(
                    "CREATE INDEX CONCURRENTLY ix_audits_state ON audits (state)"
                )
        assert len(run(sa.text(INVALID))) == 1
    migration.upgrade()
    assert run(sa.text(INVALID)) == []
    assert differences() == []


LIMITS = {
    "postgresql": {"options": "-c statement_timeout=200ms -c idle_session_timeout=600ms"},
    "mysql": {"init_command": "SET SESSION max_statement_time = 0.2, wait_timeout = 1"},
}


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_limits_of_the_account_do_not_cancel_steps(old):
    migration.downgrade(FOREIGN_HEAD)
    run(sa.text("ALTER TABLE goals ALTER COLUMN deleted DROP DEFAULT"))
    migration.stamp(FOREIGN_HEAD)
    db.configure(old, connect_args=LIMITS[old.get_backend_name()])
    # It waits for goals, whose default it sets, with pauses in which its session is idle.
    with open_transaction(old, 3, "BEGIN", "SELECT count(*) FROM goals"):
        migration.upgrade()
    db.configure(old)
    assert differences() == []
