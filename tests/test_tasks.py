# SPDX-License-Identifier: Apache-2.0
"""Transactions of tasks, threads and generators: each has its own, or is rejected by name."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import threading
import uuid

import pytest

from tests import factory
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration

#: What does not depend on the kind of database.
ON_SQLITE = pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)


class Rollback(Exception):
    """What ends a transaction without an error of the database."""


@pytest.fixture
def create(database, context):
    # MariaDB locks what an earlier test deleted under the same name.
    return lambda: factory.stored(Goal, context, name=uuid.uuid4().hex)


@pytest.fixture
def names(database, context):
    """The names of the goals that another thread sees."""

    def names():
        found = []
        thread = threading.Thread(target=lambda: found.extend(Goal.list(context)))
        thread.start()
        thread.join()
        return {goal.name for goal in found}

    return names


async def interleave(first, second):
    """Run the second in the middle of the first's transaction, which is rolled back."""
    inside, leave = asyncio.Event(), asyncio.Event()

    async def outer():
        with db.transaction():
            first()
            inside.set()
            await leave.wait()
            raise Rollback

    async def inner():
        await inside.wait()
        try:
            return second()
        finally:
            leave.set()

    return await asyncio.gather(outer(), inner(), return_exceptions=True)


def create_in_transaction(create):
    with db.transaction():
        return create()


@pytest.mark.parametrize("is_plain", [True, False], ids=["plain", "transaction"])
def test_a_task_is_outside_of_another_tasks_transaction(database, create, names, is_plain):
    second = create if is_plain else lambda: create_in_transaction(create)
    rolled_back, answer = asyncio.run(interleave(create, second))
    assert isinstance(rolled_back, Rollback)
    if database == "sqlite":
        assert isinstance(answer, exception.DatabaseError)
        assert not isinstance(answer, exception.DatabaseUnavailable)
        assert "another task of this thread" in str(answer)
        assert names() == set()
    else:
        assert names() == {answer.name}


def test_a_task_may_read_while_another_is_in_a_transaction(database, create, context):
    _, answer = asyncio.run(interleave(create, lambda: Goal.list(context)))
    assert answer == []


def test_a_transaction_in_memory_is_for_one_task(context):
    db.configure("sqlite://")
    migration.upgrade()
    store = functools.partial(factory.stored, Goal, context)
    _, answer = asyncio.run(interleave(store, lambda: Goal.list(context)))
    db.dispose()
    assert isinstance(answer, exception.DatabaseError)


@pytest.mark.parametrize("start", ["task", "thread", "copy"])
def test_what_starts_in_a_transaction_is_outside_of_it(database, create, context, start):
    read = functools.partial(Goal.list, context)

    async def task():
        return read()

    async def started():
        with db.transaction():
            create()
            if start == "task":
                return await asyncio.create_task(task())
            if start == "thread":
                return await asyncio.to_thread(read)
            # That is the same task, in another context.
            return contextvars.copy_context().run(read)

    assert len(asyncio.run(started())) == (1 if start == "copy" else 0)


def test_transactions_in_to_thread_are_independent(create, names):
    def work(number):
        with db.transaction():
            create()
            if number % 3 == 0:
                raise Rollback

    async def many():
        threads = [asyncio.to_thread(work, number) for number in range(12)]
        return await asyncio.gather(*threads, return_exceptions=True)

    answers = asyncio.run(many())
    assert sum(isinstance(answer, Rollback) for answer in answers) == 4
    assert len(names()) == 8


def pages(create):
    with db.transaction():
        yield create()
        yield create()


@ON_SQLITE
def test_nothing_joins_the_transaction_of_a_suspended_generator(create, context, names):
    generator = pages(create)
    next(generator)
    for call in (create, lambda: Goal.list(context), lambda: create_in_transaction(create)):
        with pytest.raises(exception.DatabaseError, match="generator pages is suspended"):
            call()
    # It may be forgotten: no collector of garbage is needed to end it.
    del generator
    assert names() == set()
    assert {create().name} == names()


@ON_SQLITE
def test_a_generator_goes_on_in_its_transaction(create, names):
    assert len(list(pages(create))) == len(names()) == 2


@ON_SQLITE
def test_a_savepoint_of_a_suspended_generator_is_rejected_too(create, names):
    with db.transaction():
        generator = pages(create)
        next(generator)
        with pytest.raises(exception.DatabaseError, match="suspended"):
            create()
        generator.close()
        create()
    assert len(names()) == 1


@contextlib.contextmanager
def unit_of_work():
    with db.transaction():
        yield


@contextlib.asynccontextmanager
async def async_unit_of_work():
    with db.transaction():
        yield


@pytest.fixture
def rolled_back(database):
    with contextlib.suppress(Rollback), db.transaction():
        yield
        raise Rollback


@ON_SQLITE
def test_a_context_manager_holds_a_transaction_for_its_block(create, names):
    with unit_of_work():
        create()
    with contextlib.ExitStack() as stack:
        stack.enter_context(unit_of_work())
        create()

    async def run():
        async with async_unit_of_work():
            create()

    asyncio.run(run())
    assert len(names()) == 3


@ON_SQLITE
def test_a_context_manager_in_a_suspended_generator_is_the_generators(create):
    def pages():
        with unit_of_work():
            yield create()

    generator = pages()
    next(generator)
    with pytest.raises(exception.DatabaseError, match="generator pages is suspended"):
        create()
    generator.close()


@ON_SQLITE
def test_a_fixture_holds_a_transaction_for_its_test(create, rolled_back):
    create()


@ON_SQLITE
def test_an_asynchronous_generator_is_rejected_as_others_are(create):
    async def pages():
        with db.transaction():
            yield create()

    async def run():
        generator = pages()
        await anext(generator)
        try:
            with pytest.raises(exception.DatabaseError, match="generator pages is suspended"):
                create()
        finally:
            await generator.aclose()

    asyncio.run(run())


@ON_SQLITE
def test_a_transaction_does_not_move_to_another_thread(create, names):
    async def hop():
        scope = db.transaction()
        await asyncio.to_thread(scope.__enter__)
        await asyncio.to_thread(scope.__exit__, None, None, None)

    with pytest.raises(exception.DatabaseError, match="in the thread or task that began it"):
        asyncio.run(hop())
    create()
    assert len(names()) == 1


def test_threads_go_on_after_rejected_creates(database, context):
    """A cursor that outlived its call was collected in another thread's transaction."""
    failures = []
    gc.freeze()  # what is collected below is this test's own

    def work(number):
        goal = factory.stored(Goal, context, name=f"goal-of-thread-{number}")
        for _ in range(4):
            with pytest.raises(exception.GoalAlreadyExists):
                factory.stored(Goal, context, name=goal.name)
            with db.transaction():
                goal.display_name += "."
                goal.save()
                gc.collect()

    def run(number):
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.unfreeze()
    assert failures == []
