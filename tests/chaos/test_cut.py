# SPDX-License-Identifier: Apache-2.0
"""The network is cut at each message of every write, before the server has it and behind that."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import factory, servers
from tests.chaos import calls
from tests.chaos.footprint import STATEMENTS, each_statement
from tests.chaos.proxy import Proxy
from watcher_objects import Audit, db, exception

pytestmark = pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture
def proxy(url, footprint):
    """A network between the library and its server."""
    made = Proxy(sa.make_url(url))
    db.configure(made.url)
    yield made
    db.dispose()
    made.close()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("make", calls.WRITES)
def test_a_cut_is_not_seen(proxy, footprint, context, make, done):
    expected = footprint.of(make(context))
    failing = functools.partial(proxy.failing, done=done)
    for needed in each_statement(make, context, failing):
        assert footprint.of(needed) == expected


ALONE = (
    *(calls.create, calls.create_named, calls.claim, calls.claim_of_a_plan),
    *(calls.soft_delete, calls.destroy),
)


@pytest.mark.parametrize("make", ALONE)
def test_a_statement_that_comes_late_is_not_done_twice(proxy, footprint, context, make):
    expected = footprint.of(make(context))
    needed = make(context)
    with proxy.failing(1, late=True):
        assert footprint.of(needed) == expected
    assert proxy.raised


#: How a server tells how many statements wait for a lock in our database.
WAITERS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx"
    " JOIN information_schema.processlist ON id = trx_mysql_thread_id"
    " WHERE trx_state = 'LOCK WAIT' AND db = database()",
}


@pytest.fixture
def waiting(witnessed, database):
    """Wait until so many statements wait for a lock."""
    with closing(servers.admin(witnessed).connect()) as connection:

        def wait(number):
            deadline = time.monotonic() + 20
            while connection.exec_driver_sql(WAITERS[database]).scalar() != number:
                assert time.monotonic() < deadline
                # What MariaDB tells is kept while it is asked for more than ten times a second.
                time.sleep(0.2)

        yield wait


@pytest.mark.parametrize("make", [calls.claim, calls.soft_delete, calls.destroy])
def test_a_statement_that_outlives_its_client_is_not_done_twice(
    proxy, footprint, waiting, witnessed, context, make
):
    expected = footprint.of(make(context))
    needed = make(context)
    row = needed[0][0]
    with ThreadPoolExecutor(1) as pool, closing(servers.admin(witnessed).connect()) as other:
        other.exec_driver_sql("BEGIN")
        other.execute(sa.select(row.table.c.id).where(row.table.c.id == row.id).with_for_update())
        seen = pool.submit(footprint.of, needed)
        waiting(1)
        proxy.cut()
        waiting(2)
        other.exec_driver_sql("COMMIT")
        assert seen.result() == expected


@pytest.mark.parametrize("done", [False, True])
def test_of_a_transaction_whose_commit_is_cut_off_nobody_can_tell(
    proxy, footprint, database, context, published, done
):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    published.clear()
    with (
        proxy.failing(4 if database == "mysql" else 3, done),
        pytest.raises(exception.OutcomeUnknown),
        db.transaction(),
    ):
        audit.save()
    assert (audit.obj_what_changed(), published) == ({"state"}, [])
    state = "ONGOING" if done else "PENDING"
    assert Audit.get(context, audit.id).state == state


@pytest.mark.parametrize("done", [False, True])
def test_a_connection_that_is_cut_off_while_it_is_made_is_not_seen(proxy, context, done):
    for at in range(1, STATEMENTS):
        db.configure(proxy.url)
        with proxy.failing(at, done):
            assert Audit.list(context) == []
        if not proxy.raised:
            break
    assert STATEMENTS > at > 5


def cancelled(audit):
    audit.state = "CANCELLED"


def renamed(audit):
    audit.name += " by another"


@pytest.mark.parametrize("change", [cancelled, renamed])
@pytest.mark.parametrize("done", [False, True])
def test_a_claim_that_others_have_written_over_may_have_happened(
    proxy, footprint, database, context, change, done
):
    def write_elsewhere():
        other = Audit.get(context, audit.id)
        change(other)
        other.save()

    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    with (
        proxy.failing(1, done, write_elsewhere),
        pytest.raises(exception.OutcomeUnknown, match="others have written since"),
    ):
        audit.save()
    assert audit.obj_what_changed() == {"state"}
