# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster whose nodes all take writes, while they are upgraded or one of them dies."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time

import pytest
import sqlalchemy as sa

from tests import servers
from tests.chaos import instances
from tests.chaos.harness import Run
from tests.chaos.instances import Need
from tests.chaos.scenarios import SCENARIOS, needing
from tests.chaos.tiers import LONG, long
from tests.population import FOREIGN_HEAD, differences, run, tables
from watcher_objects import db, exception
from watcher_objects.db import migration, models
from watcher_objects.db.backend import database as backend
from watcher_objects.db.migration import cluster
from watcher_objects.db.migration.lock import migration_lock

ROWS = 20_000 if LONG else 600
#: Seconds after which an upgrade, or a writer, is regarded as hung.
PATIENCE = 120
DEADLOCK = 1213

# Warnings of eventlet, which oslo.messaging imports.
pytestmark = pytest.mark.filterwarnings("ignore:Using fork:DeprecationWarning")
processes = multiprocessing.get_context("fork")
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def nodes():
    with instances.running("galera") as nodes:
        assert size(nodes[0].url) == len(nodes) == 3
        yield nodes


def size(url):
    """Return how many nodes one sees, itself among them."""
    with contextlib.closing(servers.admin(url).connect()) as connection:
        status = "SHOW STATUS LIKE 'wsrep_cluster_size'"
        return int(connection.exec_driver_sql(status).fetchone()[1])


def test_processes_on_all_nodes_win_each_audit_once(nodes):
    with instances.database([node.url for node in nodes]) as urls:
        report = SCENARIOS["claims"].run(Run(urls, nodes, processes=6, audits=90))
        assert report.findings == []
        assert report.figures["claims won"] == 90
        assert report.figures["conflicts"] > 0
        report = SCENARIOS["mix"].run(Run(urls, nodes, processes=6, audits=60, calls=60))
        assert report.findings == []


@long
@pytest.mark.parametrize("name", needing(Need.CLUSTER))
def test_a_node_that_dies_is_not_seen(name):
    with instances.target("galera") as target:
        report = SCENARIOS[name].run(Run(*target, processes=6, audits=300, calls=300))
        assert size(target.urls[0]) == 2
        assert report.findings == []


@long
def test_workers_do_all_work_once_while_nodes_end_and_join():
    with instances.target("galera") as target:
        run = Run(*target, processes=6, kills=30, restarts=3, patience=600)
        report = SCENARIOS["workers"].run(run)
        assert size(target.urls[0]) == 3
    assert report.findings == []
    assert report.figures["run to their end"] > 0


@pytest.fixture
def urls(nodes):
    """The URLs of an empty database on each node, which is dropped with the cluster."""
    name = f"upgraded_{next(numbers)}"
    with contextlib.closing(servers.admin(nodes[0].url).connect()) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield [sa.make_url(node.url).set(database=name) for node in nodes]
    db.dispose()


def upgrade(url):
    """Upgrade in a process of its own."""

    def work():
        db.configure(url)
        try:
            migration.upgrade()
        except exception.DatabaseUnavailable:
            os._exit(3)
        os._exit(0)

    process = processes.Process(target=work)
    process.start()
    return process


def ended(process):
    process.join(PATIENCE)
    process.kill()
    return process.exitcode


def build(url):
    """Create a database of Watcher, of the character set of its time, with many audits."""
    db.configure(url)
    migration.upgrade(FOREIGN_HEAD)
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        for table in tables():
            connection.exec_driver_sql(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb3")
        connection.invalidate()
    run(
        sa.text(
            "INSERT INTO goals (id, uuid, name, display_name, efficacy_specification, deleted)"
            " VALUES (1, 'g', 'g', 'g', '[]', 0)"
        )
    )
    run(
        sa.text(
            "INSERT INTO audits (uuid, name, audit_type, state, goal_id, auto_trigger, deleted)"
            f" SELECT uuid(), concat('a', seq), 'ONESHOT', 'PENDING', 1, 0, 0 FROM seq_1_to_{ROWS}"
        )
    )


class Writer(threading.Thread):
    """Writes to some of the audits through one node, again where Galera refuses it."""

    def __init__(self, url, idents):
        super().__init__(daemon=True)
        place = url.set(drivername="mysql+pymysql")
        limit = {"read_timeout": PATIENCE}
        self.engine = sa.create_engine(place, isolation_level="AUTOCOMMIT", connect_args=limit)
        self.idents, self.stored, self.stop, self.error = idents, {}, threading.Event(), None

    def run(self):
        number = 0
        with self.engine.connect() as connection:
            while not self.stop.wait(0.001):
                ident, number = self.idents[number % len(self.idents)], number + 1
                update = "UPDATE audits SET hostname = %s, `interval` = %s WHERE id = %s"
                try:
                    connection.exec_driver_sql(update, (f"h{number}", str(number), ident))
                except sa.exc.DBAPIError as error:
                    if error.orig.args[0] != DEADLOCK:
                        self.error = error
                        return
                else:
                    self.stored[ident] = (f"h{number}", str(number))
        self.engine.dispose()


@contextlib.contextmanager
def writing(urls):
    idents = [row[0] for row in run(sa.text("SELECT id FROM audits ORDER BY id"))]
    writers = [Writer(url, idents[number::3]) for number, url in enumerate(urls)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stop.set()
        for writer in writers:
            writer.join(PATIENCE)


def rows():
    """Return what audits contain, once this node has applied what others have committed."""
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("SET SESSION wsrep_sync_wait = 1")
        found = connection.execute(sa.select(models.audits.c["id", "hostname", "interval"]))
        contents = {row.id: (row.hostname, row.interval) for row in found}
        connection.invalidate()
        return contents


def test_services_write_through_all_nodes_during_an_upgrade_and_lose_nothing(urls):
    build(urls[0])
    with writing(urls) as writers:
        assert ended(upgrade(urls[0])) == 0
    assert [writer.error for writer in writers] == [None] * 3
    stored = {ident: values for writer in writers for ident, values in writer.stored.items()}
    assert {ident: values for ident, values in rows().items() if ident in stored} == stored
    assert len(stored) > len(writers)
    assert differences() == []
    assert migration.check() == []


def test_of_two_upgrades_through_two_nodes_one_waits_for_the_other(urls):
    build(urls[0])
    both = [upgrade(url) for url in urls[:2]]
    assert [ended(process) for process in both] == [0, 0]
    assert differences() == []


@contextlib.contextmanager
def held(url):
    """Hold the migration lock in another process; kill it in the end."""
    is_held, is_over = processes.Event(), processes.Event()

    def hold():
        db.configure(url)
        with migration_lock() as connection:
            is_held.set()
            while not is_over.wait(0.1):
                connection.exec_driver_sql("SELECT 1")

    process = processes.Process(target=hold)
    process.start()
    while not is_held.wait(0.1):
        assert process.is_alive()
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.join()


def is_refused(url):
    db.configure(url)
    with contextlib.suppress(exception.DatabaseUnavailable):
        migration.upgrade("001")
        return False
    return True


def test_a_lock_is_kept_while_its_owner_lives_and_expires_on_other_nodes(urls, monkeypatch):
    monkeypatch.setattr(cluster, "LEASE", 1.5)
    monkeypatch.setattr(cluster, "RENEW", 0.3)
    monkeypatch.setattr(backend, "LOCK_TIMEOUT", 2)
    with held(urls[0]):
        assert is_refused(urls[0])
        assert is_refused(urls[1])
    assert not is_refused(urls[1])
    assert cluster.TABLE not in sa.inspect(db.get_engine()).get_table_names()


def test_a_killed_upgrade_is_taken_over_at_once_on_its_node_and_later_on_others(urls, monkeypatch):
    monkeypatch.setattr(backend, "LOCK_TIMEOUT", 1)
    with held(urls[0]):
        pass
    assert is_refused(urls[1])
    # The node may need a moment to see that a client is gone.
    time.sleep(0.2)
    assert not is_refused(urls[0])
    assert migration.version() == "001"


def test_an_owner_that_has_lost_the_lock_stops(urls, monkeypatch):
    monkeypatch.setattr(cluster, "RENEW", 0.1)
    db.configure(urls[0])

    def lose():
        with migration_lock() as connection:
            run(sa.text(f"UPDATE {cluster.TABLE} SET owner = 'another'"))
            time.sleep(0.2)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(exception.DatabaseUnavailable, match="the migration lock was lost"):
        lose()


@pytest.fixture
def account(urls):
    """The URL of an account with the grants of docs/install.rst."""
    name = f"upgrades_{os.getpid()}"
    grants = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER"
    with contextlib.closing(servers.admin(urls[0]).connect()) as connection:
        connection.exec_driver_sql(f"CREATE USER {name} IDENTIFIED BY '{servers.CANARY}'")
        connection.exec_driver_sql(f"GRANT {grants} ON {urls[0].database}.* TO {name}")
        yield urls[0].set(username=name, password=servers.CANARY)
        connection.exec_driver_sql(f"DROP USER {name}")


def test_an_account_without_the_right_to_create_triggers_is_refused_before_any_change(
    account, urls
):
    db.configure(account)
    with pytest.raises(exception.InvalidRevision, match="log_bin_trust_function_creators"):
        migration.upgrade()
    assert tables() == []
    for url in urls:
        with contextlib.closing(servers.admin(url).connect()) as connection:
            connection.exec_driver_sql("SET GLOBAL log_bin_trust_function_creators = ON")
    migration.upgrade()
    assert migration.check() == []
