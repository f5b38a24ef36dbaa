# SPDX-License-Identifier: Apache-2.0
"""The network is cut at each message of every write, before the server has it and behind that."""

import functools

import pytest
import sqlalchemy as sa

from tests import factory
from tests.fire import calls
from tests.fire.footprint import STATEMENTS, each_statement
from tests.fire.proxy import Proxy
from watcher_objects import Audit, db, exception

pytestmark = pytest.mark.parametrize("empty_url", ["postgresql", "mariadb"], indirect=True)


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


ALONE = (calls.create, calls.create_named, calls.claim, calls.soft_delete, calls.destroy)


@pytest.mark.parametrize("make", ALONE)
def test_a_statement_that_comes_late_is_not_done_twice(proxy, footprint, database, context, make):
    if database == "mysql":
        return  # what it commits is a COMMIT, which can't be behind another's write of the row
    expected = footprint.of(make(context))
    needed = make(context)
    with proxy.failing(1, late=True):
        assert footprint.of(needed) == expected
    assert proxy.raised


@pytest.mark.parametrize("done", [False, True])
def test_of_a_transaction_whose_commit_is_cut_off_nobody_can_tell(
    proxy, footprint, database, context, told, done
):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    told.clear()
    with (
        proxy.failing(4 if database == "mysql" else 3, done),
        pytest.raises(exception.OutcomeUnknown),
        db.transaction(),
    ):
        audit.save()
    assert (audit.obj_what_changed(), told) == ({"state"}, [])
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
