# SPDX-License-Identifier: Apache-2.0
"""Every public call, with every error of the database that passes, at each of its statements."""

import collections
import contextlib
import os
import time
from contextlib import closing

import pytest

from tests import factory, servers
from tests.fire import calls, oracle
from tests.fire.injection import ARGUMENTS, INJECTOR, LEFT_OPEN, NOTHING_DONE
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db import models

#: Seconds in which a call that never passes is tried a few times only.
BUDGET = 1.05
#: Whether to take all errors for all calls.
LONG = os.environ.get("WATCHER_OBJECTS_TEST_LONG") == "true"
#: How often a call is made in vain at most, until it has no statement left that could fail.
STATEMENTS = 20


@pytest.fixture
def footprint(url, database):
    """What can be seen from outside of all that is done."""
    db.configure(url, connect_args=ARGUMENTS[database])
    oracle.install(url)
    with closing(servers.admin(url).connect()) as connection:
        yield Footprint(url, connection)
    oracle.remove(url)


@pytest.fixture
def hurried(footprint, database):
    """The same, of calls that have little time."""
    db.configure(footprint.url, retry_for=BUDGET, connect_args=ARGUMENTS[database])
    return footprint


class Footprint:
    """Counts rows by their tables and states, and writes of audits by their moves."""

    def __init__(self, url, connection):
        self.url, self.connection = url, connection

    def seen(self):
        counts = collections.Counter()
        for *kind, number in self.connection.exec_driver_sql(COUNTS):
            counts[tuple(kind)] = number
        return counts

    def since(self, before):
        after = self.seen()
        return {kind: after[kind] - before[kind] for kind in after.keys() | before.keys()}


def _counts():
    """Return what counts rows by their tables and states, and the writes of audits by moves."""
    yield "SELECT old_state, new_state, '', count(*) FROM fire_writes GROUP BY 1, 2"
    for name, table in models.metadata.tables.items():
        state = "state" if "state" in table.columns else "''"
        deleted = (
            "CASE WHEN deleted = 0 THEN '' ELSE 'deleted' END"
            if "deleted" in table.columns
            else "''"
        )
        yield f"SELECT '{name}', {state}, {deleted}, count(*) FROM {name} GROUP BY 1, 2, 3"


COUNTS = " UNION ALL ".join(_counts())


def kinds(told):
    return [(event.resource, event.kind, event.old_state) for event in told]


def run(call, needed, footprint, told):
    """Make a call, and return all that came of it."""
    told.clear()
    before = footprint.seen()
    result = call()
    changed = {kind: number for kind, number in footprint.since(before).items() if number}
    left = [(one.obj_what_changed(), vars(one).get("_obj_state")) for one in needed]
    return result, changed, kinds(told), left


def each_statement(make, context, error, **how):
    """Yield a call, with the error at its first statement, at its second, ... up to the last."""
    for at in range(1, STATEMENTS):
        needed, call = make(context)
        with INJECTOR.failing(error, at, **how):
            yield needed, call
            if not INJECTOR.raised:
                return
    raise AssertionError(f"more than {STATEMENTS} statements")


def errors(database):
    """Yield one error of each kind, or all; whether they leave open what was done."""
    for known, is_open in ((NOTHING_DONE, False), (LEFT_OPEN, True)):
        some = list(known[database].items())
        yield from ((name, error, is_open) for name, error in (some if LONG else some[:1]))


def check_that_it_is_not_seen(make, context, footprint, told, error, *, is_open, **how):
    needed, call = make(context)
    expected = run(call, needed, footprint, told)
    for needed, call in each_statement(make, context, error, **how):
        try:
            assert run(call, needed, footprint, told) == expected
        except exception.OutcomeUnknown:
            # Of a whole transaction nobody can tell.
            assert (make, is_open) == (calls.transactional, True)


@pytest.mark.parametrize("make", [*calls.READS, *calls.WRITES, calls.transactional])
def test_an_error_that_passes_is_not_seen(footprint, database, context, told, make):
    for _, error, is_open in errors(database):
        check_that_it_is_not_seen(make, context, footprint, told, error, is_open=is_open)


def test_every_code_is_known(footprint, database, context, told):
    for known, is_open in ((NOTHING_DONE, False), (LEFT_OPEN, True)):
        for error in known[database].values():
            for make in (calls.claim, calls.refresh):
                check_that_it_is_not_seen(make, context, footprint, told, error, is_open=is_open)


@pytest.mark.parametrize("make", [*calls.READS, *calls.WRITES])
def test_a_lost_answer_is_not_seen(footprint, database, context, told, make):
    for _, error, is_open in errors(database):
        if is_open:
            check_that_it_is_not_seen(
                make, context, footprint, told, error, is_open=True, done=True
            )


@pytest.mark.parametrize("make", [*calls.READS, *calls.WRITES, calls.transactional])
def test_an_error_that_stays_is_told_in_time_and_nothing_has_happened(
    hurried, database, context, told, make
):
    for _, error, _ in errors(database):
        for needed, call in each_statement(make, context, error, for_ever=True):
            before, objects = hurried.seen(), [one.obj_to_primitive() for one in needed]
            told.clear()
            began = time.monotonic()
            with contextlib.suppress(exception.DatabaseUnavailable):
                call()
                assert not INJECTOR.raised
                break
            assert time.monotonic() - began < BUDGET + 1
            assert not any(hurried.since(before).values())
            assert [one.obj_to_primitive() for one in needed] == objects
            assert told == []


def lost(write, error, at):
    with INJECTOR.failing(error, at), pytest.raises(exception.DatabaseUnavailable) as caught:
        write()
    return caught.value


def test_a_transaction_that_is_lost_is_its_owners_to_repeat(footprint, database, context, told):
    def write():
        with db.transaction():
            goal.create()
            audit.save()

    last = 5 if database == "mysql" else 4
    for _, error, leaves_open in errors(database):
        for at in range(2, last + 1):
            audit, goal = factory.stored(Audit, context), factory.built(Goal, context)
            audit.state = "ONGOING"
            told.clear()
            before = footprint.seen()
            failed = lost(write, error, at)
            is_open = at == last and leaves_open
            assert isinstance(failed, exception.OutcomeUnknown) is is_open
            assert failed.may_retry is not is_open
            assert not any(footprint.since(before).values())
            assert (audit.obj_what_changed(), told) == ({"state"}, [])
            assert not goal.obj_attr_is_set("id")


def test_a_transaction_that_can_not_begin_waits(footprint, database, context, told):
    for _, error, _ in errors(database):
        goal = factory.built(Goal, context)
        told.clear()
        with INJECTOR.failing(error, 1) as injector, db.transaction():
            goal.create()
        assert injector.raised
        assert kinds(told) == [("goal", "create", None)]
