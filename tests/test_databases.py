# SPDX-License-Identifier: Apache-2.0
"""Two databases at once: the default one, and one that is current for a block."""

import asyncio
import threading
from contextlib import suppress

import pytest

from tests import factory
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db.backend.database import current


@pytest.fixture
def other(tmp_path, new_file):
    """A second database, on SQLite, with our schema."""
    made = db.Database(new_file(tmp_path / "other.sqlite"), transitions="watcher")
    yield made
    made.dispose()


def names(context):
    return {goal.name for goal in Goal.list(context)}


def test_objects_are_copied_from_one_database_to_another(database, other, context):
    audits = [factory.stored(Audit, context) for _ in range(3)]
    goals = [audit.goal for audit in audits]  # related objects come from the current database
    with other.use():
        factory.forget_owners()
        goal = factory.stored(Goal, context, uuid=goals[0].uuid)
        for audit in audits:
            fields = audit.as_dict()
            values = {name: fields[name] for name in ("uuid", "name", "parameters", "audit_type")}
            factory.stored(Audit, context, goal_id=goal.id, **values)
        copies = Audit.list(context, eager=True)
    assert [copy.uuid for copy in copies] == [audit.uuid for audit in audits]
    assert [copy.parameters for copy in copies] == [audit.parameters for audit in audits]
    assert [copy.goal.uuid for copy in copies] == [goal.uuid for goal in goals]


def test_a_block_ends_with_the_database_before_it(database, other, context):
    factory.stored(Goal, context, name="ours")
    with other.use() as used, db.Database("sqlite://").use():
        with used.use():
            factory.stored(Goal, context, name="theirs")
            assert names(context) == {"theirs"}
        assert db.get_engine().url.database is None
    assert names(context) == {"ours"}
    with pytest.raises(ZeroDivisionError), other.use():
        raise ZeroDivisionError
    assert names(context) == {"ours"}


def test_transactions_of_two_databases_are_independent(database, other, context):
    with db.transaction():
        factory.stored(Goal, context, name="first")
        with other.use():
            factory.stored(Goal, context, name="theirs")
            with db.transaction():
                factory.stored(Goal, context, name="kept")
            with suppress(ZeroDivisionError), db.transaction():
                lost = factory.stored(Goal, context, name="lost")
                lost.id / 0
            assert names(context) == {"theirs", "kept"}
        factory.stored(Goal, context, name="second")
    assert names(context) == {"first", "second"}
    with other.use():
        assert names(context) == {"theirs", "kept"}


def test_an_outer_transaction_goes_on_inside_one_of_another_database(sqlite, other, context):
    default = current()
    with db.transaction():
        factory.stored(Goal, context, name="before")
        with other.use(), db.transaction():
            factory.stored(Goal, context, name="theirs")
            with default.use(), db.transaction():
                factory.stored(Goal, context, name="inside")
                assert names(context) == {"before", "inside"}
            assert names(context) == {"theirs"}
    assert names(context) == {"before", "inside"}


def test_each_database_has_its_own_profile(sqlite, other, context):
    strict = factory.stored(Audit, context, state="PENDING")
    strict.state = "SUCCEEDED"
    with pytest.raises(exception.InvalidStateTransition):
        strict.save()
    with other.use():
        factory.forget_owners()
        loose = factory.stored(Audit, context, state="PENDING")
        loose.state = "SUCCEEDED"
        loose.save()
        assert Audit.get(context, loose.id).state == "SUCCEEDED"


def test_a_thread_begins_with_the_default_and_a_task_with_its_creators(sqlite, other, context):
    found = []
    factory.stored(Goal, context, name="ours")

    async def look():
        return await asyncio.to_thread(names, context)

    with other.use():
        factory.stored(Goal, context, name="theirs")
        thread = threading.Thread(target=lambda: found.append(names(context)))
        thread.start()
        thread.join()
        found.append(asyncio.run(look()))
    assert found == [{"ours"}, {"theirs"}]


def test_configure_returns_the_default_and_leaves_the_current_one(tmp_path, other, context):
    with other.use():
        factory.stored(Goal, context, name="theirs")
        default = db.configure(f"sqlite:///{tmp_path}/default.sqlite")
        assert names(context) == {"theirs"}
        db.dispose()
        assert names(context) == {"theirs"}
    assert isinstance(default, db.Database)
    with pytest.raises(exception.DatabaseNotConfigured):
        names(context)
