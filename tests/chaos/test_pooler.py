# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL through PgBouncer, which runs each transaction in any of its few server sessions."""

import contextlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import factory, servers
from tests.chaos import instances
from watcher_objects import Audit, EfficacyIndicator, Goal, db, exception
from watcher_objects.db import migration, transactions
from watcher_objects.db.backend import database as backend
from watcher_objects.db.backend import sessions
from watcher_objects.db.migration.lock import migration_lock
from watcher_objects.testing import database as databases

THREADS, CALLS = 3, 10
#: The sessions that hold the lock of upgrades.
HOLDERS = (
    "SELECT pid FROM pg_locks JOIN pg_database ON database = pg_database.oid"
    " WHERE datname = current_database() AND locktype = 'advisory'"
)


@contextlib.contextmanager
def pooler(server, *settings):
    """Run PgBouncer in front of a database's server, and yield the database's URL through it."""
    with instances.shelter() as folder:
        made = instances.Pgbouncer(folder / "own", server, *settings)
        try:
            made.start()
            yield made.url
        finally:
            db.dispose()
            made.kill()


@pytest.fixture(scope="module")
def direct(tmp_path_factory):
    """The URL of a database with our schema, without a pooler."""
    with servers.scratch("postgresql", tmp_path_factory.mktemp("pooler"), "_pooler") as url:
        yield databases.upgraded(url)


@pytest.fixture(scope="module")
def pooled(direct):
    """The URL of the same database through two sessions in transaction mode."""
    with pooler(direct, "pool_mode = transaction", "default_pool_size = 2") as url:
        yield url


@pytest.fixture(scope="module")
def narrow(direct):
    """The URL of the same database through a single session."""
    with pooler(direct, "pool_mode = transaction", "default_pool_size = 1") as url:
        yield url


@pytest.fixture
def admin(direct):
    """A connection without a pooler."""
    with contextlib.closing(servers.admin(direct).connect()) as connection:
        yield connection


def make(cls, **given):
    made = cls(RequestContext(), **given)
    made.create()
    return made


def goal(name):
    return make(Goal, name=name, display_name=name, efficacy_specification=[])


def audit(name, **given):
    return make(Audit, name=name, audit_type="ONESHOT", **given)


def work(url, process):
    """Be a process of some threads, and return how many rows each of them has written."""
    db.configure(url)
    context = RequestContext()

    def run(thread):
        owner = goal(f"{process}-{thread}")
        for call in range(CALLS):
            mine = audit(f"{owner.name}-{call}", goal=owner)
            mine.state = "ONGOING"
            mine.save()
            with db.transaction():
                owner.display_name = mine.name
                owner.save()
                assert Goal.get_by_name(context, owner.name).display_name == mine.name
            assert Audit.get(context, mine.id, eager=True).goal.display_name == mine.name
            (found,) = Audit.list(context, filters={"name": mine.name, "state": "ONGOING"})
            assert found.uuid == mine.uuid
        return len(Audit.list(context, filters={"goal_id": owner.id}))

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def at_once(function, first, second):
    """Return what a function returns in another process, and in this one at the same time."""
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, context) as pool:
        # To import it takes longer than to call it.
        assert pool.submit(callable, function).result()
        other = pool.submit(function, *first)
        return [function(*second), other.result()]


def test_threads_may_share_a_session(narrow):
    assert work(narrow, "threads") == [CALLS] * THREADS


def test_processes_may_share_few_sessions(pooled):
    done = at_once(work, (pooled, "other"), (pooled, "own"))
    assert done == [[CALLS] * THREADS] * 2


def another_client(url):
    """Connect as a program that knows nothing of poolers."""
    place = sa.make_url(url).set(drivername="postgresql")
    return psycopg.connect(place.render_as_string(hide_password=False), autocommit=True)


def seen_by_another_client(url):
    """Return the settings and prepared statements that another client finds in its session."""
    names = ("lock_timeout", "extra_float_digits", "transaction_isolation", "statement_timeout")
    with another_client(url) as client:
        found = [client.execute(f"SHOW {name}").fetchone() for name in names]
        return found + client.execute("SELECT name FROM pg_prepared_statements").fetchall()


def test_nothing_is_left_in_a_session_for_other_clients(narrow, context):
    before = seen_by_another_client(narrow)
    db.configure(narrow)
    for _ in range(10):
        Goal.list(context)
    with db.transaction():
        Goal.list(context)
    assert seen_by_another_client(narrow) == before


SETTINGS = {
    "client_encoding": "'LATIN1'",
    "default_transaction_isolation": "'serializable'",
    "extra_float_digits": "-5",
    "session_replication_role": "'replica'",
}


@pytest.fixture(params=["direct", "pooled"])
def changed(request, direct, admin):
    """The URL of a database whose settings are unfit for us, without and through a pooler."""
    name = sa.make_url(direct).database
    for setting, value in SETTINGS.items():
        admin.exec_driver_sql(f"ALTER DATABASE {name} SET {setting} = {value}")
    # Sessions that a pooler has already keep what they had.
    settings = ("pool_mode = transaction", "default_pool_size = 1")
    through = pooler(direct, *settings) if request.param == "pooled" else None
    try:
        with through or contextlib.nullcontext(direct) as url:
            yield url
    finally:
        db.dispose()
        for setting in SETTINGS:
            admin.exec_driver_sql(f"ALTER DATABASE {name} RESET {setting}")


def test_every_session_has_what_it_needs(changed, context):
    db.configure(changed)
    made = factory.stored(EfficacyIndicator, context, name="日本", value=0.1 + 0.2)
    for unit in (contextlib.nullcontext(), db.transaction()):
        with unit:
            found = EfficacyIndicator.get(context, made.id)
            assert (found.name, found.value) == ("日本", 0.1 + 0.2)
            level = transactions.execute(sa.text("SHOW transaction_isolation"))
            assert level.rows == [("read committed",)]
    with pytest.raises(exception.GoalNotFound):
        audit("nowhere", goal_id=10**6)


def test_a_lock_timeout_applies(narrow, admin):
    db.configure(narrow, retry_for=2)
    locked = goal("locked")
    with another_client(narrow) as client:
        client.execute("SET lock_timeout = 0")
    admin.exec_driver_sql("BEGIN")
    admin.exec_driver_sql(f"SELECT id FROM goals WHERE id = {locked.id} FOR UPDATE")
    locked.display_name = "changed"
    try:
        with pytest.raises(exception.DatabaseUnavailable, match="55P03"):
            locked.save()
        with pytest.raises(exception.DatabaseUnavailable, match="55P03"), db.transaction():
            locked.save()
    finally:
        admin.exec_driver_sql("ROLLBACK")
    locked.save()


def upgrade(url, revision):
    db.configure(url)
    migration.upgrade() if revision == "head" else migration.downgrade(revision)


def test_upgrades_take_their_turns(pooled, admin):
    db.configure(pooled)
    databases.empty()
    upgrade(pooled, "base")
    at_once(upgrade, (pooled, "head"), (pooled, "head"))
    assert migration.check() == []
    assert admin.exec_driver_sql(HOLDERS).all() == []


def test_an_upgrade_excludes_one_without_a_pooler(pooled, admin, monkeypatch):
    monkeypatch.setattr(backend, "LOCK_TIMEOUT", 0)
    db.configure(pooled)
    with migration_lock():
        assert not admin.exec_driver_sql("SELECT pg_try_advisory_lock(7747611)").scalar()
    assert admin.exec_driver_sql("SELECT pg_try_advisory_lock(7747611)").scalar()
    with pytest.raises(exception.DatabaseUnavailable, match="another upgrade"):
        migration.upgrade()


def test_an_upgrade_whose_lock_is_lost_ends(pooled, admin):
    db.configure(pooled)
    with migration_lock() as connection:
        connection.exec_driver_sql("SELECT 1")
        (holder,) = admin.exec_driver_sql(HOLDERS).scalars()
        admin.exec_driver_sql(f"SELECT pg_terminate_backend({holder}, 5000)")
        with pytest.raises(exception.DatabaseUnavailable, match="lock of upgrades"):
            connection.exec_driver_sql("SELECT 1")


def test_an_upgrade_needs_a_second_session(narrow):
    db.configure(narrow, retry_for=2)
    with pytest.raises(exception.DatabaseUnavailable, match="two server connections"):
        migration.upgrade()


def test_statement_mode_is_rejected(direct):
    with pooler(direct, "pool_mode = statement") as url:
        db.configure(url)
        with pytest.raises(exception.DatabaseError, match="should be transaction"):
            Goal.list(RequestContext())


@pytest.mark.parametrize(("query", "is_pooled"), [("", True), ("?pool_mode=session", False)])
def test_session_mode_works_and_can_be_named(direct, query, is_pooled):
    with pooler(direct, "pool_mode = session") as url:
        assert work(url + query, f"session{query}") == [CALLS] * THREADS
        with transactions.connected() as connection:
            assert sessions.is_pooled(connection.connection) is is_pooled
        upgrade(url + query, "head")


def test_transaction_mode_can_be_named(direct):
    db.configure(direct + "?pool_mode=transaction")
    with transactions.connected() as connection:
        assert sessions.is_pooled(connection.connection)
    db.dispose()


def test_a_startup_parameter_that_a_pooler_rejects_is_named(narrow):
    db.configure(narrow + "?options=-csearch_path%3Dother")
    began = time.monotonic()
    with pytest.raises(exception.DatabaseError, match="startup parameter options"):
        Goal.list(RequestContext())
    assert time.monotonic() - began < 5
