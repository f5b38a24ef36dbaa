# SPDX-License-Identifier: Apache-2.0
"""Connections: no more than the pool may have, and none that two processes share."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import factory, servers
from watcher_objects import Goal, db
from watcher_objects.db import transactions

PROCESSES, THREADS, CALLS = 2, 40, 3
#: The largest size of SQLAlchemy's pool.
POOL = 5 + 10
#: The number of sessions of this database, and the id of one's own.
SESSIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
}
OWN = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}


def crowd(url):
    """Make calls in many threads at once; what goes wrong ends the process."""
    db.configure(url)
    barrier = threading.Barrier(THREADS)

    def work(number):
        barrier.wait()
        context = RequestContext()
        for call in range(CALLS):
            goal = factory.stored(Goal, context, name=f"{os.getpid()}-{number}-{call}")
            with db.transaction():
                goal.display_name = "changed"
                goal.save()
            Goal.get_by_uuid(context, goal.uuid)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


def test_a_crowd_of_threads_shares_few_connections(own_url):
    processes = [
        multiprocessing.get_context("forkserver").Process(target=crowd, args=(own_url,))
        for _ in range(PROCESSES)
    ]
    most = 0
    with closing(servers.admin(own_url).connect()) as connection:
        count = SESSIONS[connection.dialect.name]
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            most = max(most, connection.exec_driver_sql(count).scalar() - 1)
            time.sleep(0.01)
        changed = "SELECT count(*) FROM goals WHERE display_name = 'changed'"
        assert connection.exec_driver_sql(changed).scalar() == PROCESSES * THREADS * CALLS
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert POOL < most <= PROCESSES * POOL


def session():
    """Return the server's id of the session of this process."""
    statement = sa.text(OWN[db.get_engine().dialect.name])
    return transactions.execute(statement).rows[0][0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # eventlet's, and Python's
@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_a_child_shares_no_session_and_ends_none(url, database, context):
    factory.stored(Goal, context)
    held = session()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        Goal.list(context)
        os.write(writer, str(session()).encode())
        # What is garbage-collected at exit must not close the parent's session.
        db.dispose()
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() != str(held)
    assert session() == held
    assert len(Goal.list(context)) == 1
    db.dispose()
    db.configure(url)
    assert session() != held
