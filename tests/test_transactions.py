# SPDX-License-Identifier: Apache-2.0
"""Writes that are grouped: all of them happen, or none, and the objects know."""

import contextlib
import logging
import threading
import time

import pytest
import sqlalchemy as sa

from tests import factory, locks
from watcher_objects import Audit, Goal, Strategy, db, events, exception


class Rollback(Exception):
    """What a caller raises to leave a transaction."""


def kinds(found):
    return [(event.resource, event.kind, event.old_state) for event in found]


def test_several_objects_are_stored_together(database, context, published):
    with db.transaction():
        goal = factory.stored(Goal, context)
        strategy = factory.stored(Strategy, context, goal_id=goal.id)
        audit = factory.stored(Audit, context, goal_id=goal.id, strategy_id=strategy.id)
        audit.state = "ONGOING"
        audit.save()
        assert Audit.get(context, audit.id) == audit
        assert published == []
    assert kinds(published) == [
        ("goal", "create", None),
        ("strategy", "create", None),
        ("audit", "create", None),
        ("audit", "update", "PENDING"),
    ]
    assert [event.obj.state for event in published[2:]] == ["PENDING", "ONGOING"]


def test_a_rejected_transition_is_published_at_once_and_only_on_request(
    sqlite, context, published
):
    audit = factory.stored(Audit, context)
    published.clear()
    asked = []
    end = events.subscribe(asked.append, refusals=True)
    audit.state = "SUCCEEDED"
    with db.transaction():
        with pytest.raises(exception.InvalidStateTransition) as caught:
            audit.save()
        assert asked == [events.Event("audit", "refuse", context, audit, None, caught.value)]
    end()
    assert published == []


def test_after_an_error_nothing_is_stored_and_the_objects_are_as_before(
    database, context, published
):
    audit = factory.stored(Audit, context)
    audit.parameters["more"] = 1
    audit.state = "ONGOING"
    new = factory.built(Audit, context)
    published.clear()
    with contextlib.suppress(Rollback), db.transaction():
        new.create()
        audit.save()
        audit.state = "FAILED"
        audit.save()
        raise Rollback
    assert audit.obj_what_changed() == {"parameters", "state"}
    assert (audit.state, audit.old_state) == ("ONGOING", None)
    assert not new.obj_attr_is_set("id")
    assert len(Audit.list(context)) == 1
    assert published == []
    new.create()
    audit.save()
    assert audit.old_state == "PENDING"


def test_a_transaction_inside_another_is_rolled_back_alone(database, context, published):
    with db.transaction():
        first = factory.stored(Goal, context)
        with contextlib.suppress(Rollback), db.transaction():
            second = factory.stored(Goal, context)
            raise Rollback
        with db.transaction():
            third = factory.stored(Goal, context)
    assert Goal.list(context) == [first, third]
    assert not second.obj_attr_is_set("id")
    assert [event.obj.name for event in published] == [first.name, third.name]


def test_the_outer_error_takes_the_inner_transaction_along(database, context, published):
    goal = factory.built(Goal, context)
    with contextlib.suppress(Rollback), db.transaction():
        with db.transaction():
            goal.create()
        raise Rollback
    assert Goal.list(context) == []
    assert not goal.obj_attr_is_set("id")
    assert published == []


def test_a_refused_write_inside_a_savepoint_spoils_nothing(database, context):
    with db.transaction():
        goal = factory.stored(Goal, context)
        with pytest.raises(exception.GoalAlreadyExists), db.transaction():
            factory.stored(Goal, context, name=goal.name)
        with pytest.raises(exception.GoalNotFound), db.transaction():
            factory.stored(Strategy, context, goal_id=4711)
    assert Goal.list(context) == [goal]


def test_an_error_of_the_database_that_is_swallowed_ends_the_transaction(database, context):
    def swallow():
        with db.transaction():
            goal = factory.stored(Goal, context)
            with pytest.raises(exception.GoalAlreadyExists):
                factory.stored(Goal, context, name=goal.name)
            with pytest.raises(exception.DatabaseError, match="only be rolled back"):
                Goal.list(context)

    with pytest.raises(exception.DatabaseError, match="only be rolled back"):
        swallow()
    assert Goal.list(context) == []


def test_no_savepoint_begins_in_a_transaction_that_can_only_be_rolled_back(database, context):
    def go_on():
        with db.transaction():
            with pytest.raises(exception.GoalNotFound):
                factory.stored(Strategy, context, goal_id=4711)
            with pytest.raises(exception.DatabaseError, match="only be"), db.transaction():
                pass

    with pytest.raises(exception.DatabaseError, match="only be rolled back"):
        go_on()


def test_a_refusal_of_ours_does_not_end_the_transaction(sqlite, context):
    with db.transaction():
        audit = factory.stored(Audit, context)
        audit.state = "SUCCEEDED"
        with pytest.raises(exception.InvalidStateTransition):
            audit.save()
        with pytest.raises(exception.AuditNotFound):
            Audit.get(context, 4711)
        audit.state = "ONGOING"
        audit.save()
    assert Audit.get(context, audit.id).state == "ONGOING"


def test_a_missing_relation_is_named_in_a_transaction_too(database, context):
    for key, error in (
        ("goal_id", exception.GoalNotFound),
        ("strategy_id", exception.StrategyNotFound),
    ):
        factory.forget_owners()
        with pytest.raises(error, match="4711"), db.transaction():
            factory.stored(Audit, context, **{key: 4711})


def test_a_refreshed_object_is_as_before_too(sqlite, context):
    audit = factory.stored(Audit, context)
    other = Audit.get(context, audit.id)
    other.status_message = "not saved"
    audit.state = "ONGOING"
    with contextlib.suppress(Rollback), db.transaction():
        audit.save()
        other.refresh()
        assert other.state == "ONGOING"
        raise Rollback
    assert (other.state, other.obj_what_changed()) == ("PENDING", {"status_message"})


def test_a_document_that_was_changed_after_a_destroy_is_restored_too(sqlite, context):
    audit = factory.stored(Audit, context, parameters={"cpu": 1})
    assert audit.parameters == {"cpu": 1}
    with contextlib.suppress(Rollback), db.transaction():
        audit.destroy()
        audit.parameters["cpu"] = 2
        raise Rollback
    assert (audit.parameters, audit.obj_what_changed()) == ({"cpu": 1}, set())


def suspended(context):
    with db.transaction():
        factory.stored(Goal, context)
        yield


def test_transactions_that_cross_are_rejected(sqlite, context):
    outer, inner = db.transaction(), db.transaction()
    with contextlib.ExitStack() as stack:
        outer.__enter__()
        stack.callback(inner.__exit__, None, None, None)
        inner.__enter__()
        with pytest.raises(exception.DatabaseError, match="inner before outer"):
            outer.__exit__(None, None, None)
        with pytest.raises(exception.DatabaseError):
            stack.close()
    assert Goal.list(context) == []
    goal = factory.stored(Goal, context)
    assert Goal.list(context) == [goal]


def test_a_transaction_that_ends_in_another_thread_spoils_none_there(database, context):
    begun = []

    def begin():
        begun.append(suspended(context))
        next(begun[0])

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    if database == "sqlite":
        # The one writer of SQLite is the other thread's transaction until that ends.
        begun.pop().close()
    with contextlib.suppress(Rollback), db.transaction():
        for generator in begun:
            generator.close()
        factory.stored(Goal, context)
        raise Rollback
    assert Goal.list(context) == []


@contextlib.contextmanager
def interrupted(moment, *words):
    """Raise an interrupt before or after each statement that begins with one of these words."""

    def interrupt(connection, cursor, statement, *rest):
        if statement.startswith(words):
            raise KeyboardInterrupt

    sa.event.listen(db.get_engine(), moment, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        sa.event.remove(db.get_engine(), moment, interrupt)


def test_an_interrupt_in_the_rollback_still_restores_the_objects(database, context):
    goal = factory.built(Goal, context)
    with interrupted("before_cursor_execute", "ROLLBACK"), db.transaction():
        goal.create()
        raise Rollback
    assert not goal.obj_attr_is_set("id")
    assert Goal.list(context) == []


def test_an_interrupt_after_begin_leaves_nothing_open(url, database, context):
    with interrupted("after_cursor_execute", "BEGIN", "START"), db.transaction():
        pass
    with db.get_engine().connect() as connection:
        # As if the interrupt had come where no code of ours could have seen it.
        connection.exec_driver_sql("BEGIN")
    goal = factory.stored(Goal, context)
    db.configure(url)
    assert Goal.list(context) == [goal]


def test_an_interrupt_after_a_write_leaves_no_lock(database, context):
    goal = factory.stored(Goal, context)
    for group in (contextlib.nullcontext, db.transaction):
        goal.display_name += "?"
        with interrupted("after_cursor_execute", "UPDATE"), group():
            goal.save()
        started = time.monotonic()
        factory.stored(Goal, context)
        assert time.monotonic() - started < 5


def test_waiting_for_a_lock_has_a_limit(url, database, context):
    goal = factory.stored(Goal, context)
    db.configure(url, retry_for=2)
    with locks.held(goal, context, display_name="held"):
        goal.display_name = "wanted"
        started = time.monotonic()
        with pytest.raises(exception.DatabaseUnavailable):
            goal.save()
        assert 1 <= time.monotonic() - started < 10
    goal.save()
    assert Goal.get(context, goal.id).display_name == "wanted"


def test_a_subscriber_that_fails_is_logged_and_the_write_stands(
    sqlite, context, published, caplog
):
    def fail(event):
        raise Rollback

    end = events.subscribe(fail)
    with caplog.at_level(logging.ERROR):
        goal = factory.stored(Goal, context)
    end()
    end()
    assert "goal.create" in caplog.text
    assert Goal.list(context) == [goal]
    assert kinds(published) == [("goal", "create", None)]
    factory.stored(Goal, context)
    assert caplog.text.count("Traceback") == 1


def test_events_are_published_in_order_also_of_what_a_subscriber_writes(sqlite, context):
    def answer(event):
        if event.kind == "create":
            for name in ("one", "two"):
                event.obj.display_name = name
                event.obj.save()

    heard = []
    ends = [events.subscribe(answer)]
    ends.append(
        events.subscribe(lambda event: heard.append((event.obj.id, event.obj.display_name)))
    )
    goals = [factory.stored(Goal, context, display_name="new") for _ in range(2)]
    for end in ends:
        end()
    # Each event shows the object as it was written.
    assert [heard[n::3] for n in (1, 2)] == [
        [(goal.id, name) for goal in goals] for name in ("one", "two")
    ]


def test_what_was_loaded_in_a_transaction_goes_with_it(sqlite, context):
    audit = factory.stored(Audit, context)
    before = Goal.get(context, audit.goal_id).display_name
    with contextlib.suppress(Rollback), db.transaction():
        goal = Goal.get(context, audit.goal_id)
        goal.display_name = "other"
        goal.save()
        assert audit.goal.display_name == "other"
        raise Rollback
    assert audit.goal.display_name == before


class Limit(BaseException):
    """A time limit, as a signal handler raises it."""


# psycopg warns of a connection that nobody has closed.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_connections_that_an_interrupt_keeps_from_the_pool_are_replaced(database, context):
    audit, armed = factory.stored(Audit, context), [True]

    def strike(*args):
        if armed:
            raise Limit

    sa.event.listen(db.get_engine(), "checkin", strike)
    for number in range(40):
        audit.status_message = str(number)
        with pytest.raises(Limit), db.transaction():
            audit.save()
    armed.clear()
    assert Audit.get(context, audit.id).status_message == "39"
    with db.transaction():
        audit.save()
