# SPDX-License-Identifier: Apache-2.0
"""Every public call, with every temporary error of the database, at each of its statements."""

import contextlib
import functools
import inspect
import logging
import time

import pytest

from tests import factory
from tests.chaos.calls import CALLS, READS, WRITES, each_statement
from tests.chaos.injection import ARGUMENTS, INJECTOR, LEFT_OPEN, NOTHING_DONE
from tests.chaos.tiers import LONG
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db import models
from watcher_objects.db.backend import database as backend

#: Seconds in which a call that never succeeds is tried a few times only, and by which it may be
#: late on a busy machine. Without a timeout it would take 30 seconds.
BUDGET, LATE = 1.05, 5


@pytest.fixture
def injected(url, footprint, database):
    """The footprint of a database in which errors can be injected."""
    db.configure(url, connect_args=ARGUMENTS[database])
    return footprint


def test_every_public_verb_is_a_case():
    verbs = {
        name
        for cls in factory.CLASSES
        for ours in cls.__mro__
        if ours.__module__.startswith("watcher_objects.")
        for name in vars(ours)
        if inspect.isroutine(getattr(cls, name)) and not name.startswith(("_", "obj_"))
    }
    reach_no_database = {"as_dict"}
    assert verbs - CALLS.keys() == reach_no_database


def errors(database, known):
    """Return one error of a kind, or all."""
    some = [*known[database].values()]
    return some if LONG else some[:1]


def check(name, context, footprint, error, done=False):
    expected = footprint.of(CALLS[name](context))
    failing = functools.partial(INJECTOR.failing, error, done=done)
    for needed in each_statement(name, context, failing):
        assert footprint.of(needed) == expected


@pytest.mark.parametrize("name", CALLS)
def test_a_temporary_error_is_not_seen(injected, database, context, name):
    for error in errors(database, NOTHING_DONE):
        check(name, context, injected, error)


# That no call reports a lost answer is also tested with a network that is cut.
@pytest.mark.parametrize("name", [*READS, *WRITES] if LONG else ["claim", "refresh"])
def test_every_code_is_known(injected, database, context, name):
    for error in NOTHING_DONE[database].values():
        check(name, context, injected, error)
    for error in LEFT_OPEN[database].values():
        for done in (False, True):
            check(name, context, injected, error, done)


def test_each_retry_is_a_line_of_the_log_without_the_drivers_words(
    injected, database, context, caplog
):
    caplog.set_level(logging.INFO, "watcher_objects")
    _, call = CALLS["claim"](context)
    with INJECTOR.failing(errors(database, NOTHING_DONE)[0], 1):
        call()
    (line,) = caplog.messages
    assert line.startswith("Trying again in 0.")
    assert "injected" not in line


@pytest.mark.parametrize("name", CALLS)
def test_a_lasting_error_is_reported_in_time_and_nothing_has_happened(
    injected, database, context, published, name
):
    # Less than a caller may configure.
    backend.current().timeout = BUDGET
    # A notification of workers may fail: none is sent so soon after the last one.
    backend.current().announced = dict.fromkeys(models.metadata.tables, time.monotonic() + 3600)
    some = errors(database, LEFT_OPEN) + errors(database, NOTHING_DONE)
    for error in some if LONG else some[:1]:
        failing = functools.partial(INJECTOR.failing, error, for_ever=True)
        for objects, call in each_statement(name, context, failing):
            before, were = injected.rows(), [one.obj_to_primitive() for one in objects]
            published.clear()
            began = time.monotonic()
            with contextlib.suppress(exception.DatabaseUnavailable):
                call()
                assert not INJECTOR.raised
                break
            assert time.monotonic() - began < BUDGET + LATE
            assert injected.since(before) == {}
            assert [one.obj_to_primitive() for one in objects] == were
            assert published == []


@pytest.mark.parametrize("known", [NOTHING_DONE, LEFT_OPEN], ids=["nothing-done", "left-open"])
def test_a_transaction_that_is_lost_is_its_owners_to_repeat(
    injected, database, context, published, known
):
    def write():
        with db.transaction():
            goal.create()
            audit.save()

    last = 5 if database == "sqlite" else 4
    for error in errors(database, known):
        for at in range(2, last + 1):
            audit, goal = factory.stored(Audit, context), factory.built(Goal, context)
            audit.state = "ONGOING"
            published.clear()
            before = injected.rows()
            with (
                INJECTOR.failing(error, at),
                pytest.raises(exception.DatabaseUnavailable) as raised,
            ):
                write()
            is_open = at == last and known is LEFT_OPEN
            assert isinstance(raised.value, exception.OutcomeUnknown) is is_open
            assert raised.value.may_retry is not is_open
            assert injected.since(before) == {}
            assert (audit.obj_what_changed(), published) == ({"state"}, [])
            assert not goal.obj_attr_is_set("id")


def test_a_transaction_that_can_not_begin_waits(injected, database, context, published):
    for error in errors(database, NOTHING_DONE) + errors(database, LEFT_OPEN):
        goal = factory.built(Goal, context)
        published.clear()
        with INJECTOR.failing(error, 1) as injector, db.transaction():
            goal.create()
        assert injector.raised
        assert injected.kinds() == [("goal", "create", None)]
