# SPDX-License-Identifier: Apache-2.0
"""What we ship for the tests of decision engines."""

import multiprocessing
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import sqlalchemy as sa
from oslo_versionedobjects import fixture

from tests import servers
from tests.documents import block, page
from tests.factory import CLASSES
from watcher_objects import (
    Action,
    ActionPlan,
    Audit,
    base,
    claims,
    db,
    exception,
    fields,
    testing,
)

pytest_plugins = ["pytester"]


@pytest.fixture
def make(watcher_factory) -> testing.Factory:
    return watcher_factory


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_factory_makes_a_valid_object_of_every_class(make, cls):
    first, second = getattr(make, cls.resource)(), make.create(cls)
    assert type(first) is cls
    assert first.id != second.id
    assert cls.get(make.context, first.id) == first


def test_the_factory_fills_in_only_what_an_object_must_have(make):
    assert make.needed(Audit) == {"name", "audit_type", "goal_id"}
    audit = make.audit()
    assert (audit.state, audit.audit_type, audit.auto_trigger) == ("PENDING", "ONESHOT", False)
    assert (audit.start_time, audit.strategy_id, audit.hostname) == (None, None, None)


def test_any_field_of_a_made_object_can_be_given_and_related_ones_are_made_once(make):
    goal = make.goal(name="saving_energy")
    audit = make.audit(goal=goal, state="ONGOING", parameters={"cpu": 1})
    by_id = make.audit(goal_id=goal.id)
    assert (audit.goal, audit.state, audit.parameters) == (goal, "ONGOING", {"cpu": 1})
    assert by_id.goal_id == goal.id
    plans = [make.action_plan(), make.action_plan()]
    assert plans[0].audit == plans[1].audit
    assert plans[0].strategy.goal == plans[0].audit.goal
    assert testing.Factory().audit().goal != plans[0].audit.goal


@pytest.fixture
def host():
    """A class of somebody else, whose table has columns of every type that must have values."""
    kinds = {
        "uuid": (sa.String(36), fields.UUIDField()),
        "name": (sa.String(9), fields.StringField()),
        "cpus": (sa.Integer, fields.IntegerField()),
        "load": (sa.Double, fields.NumericField()),
        "is_up": (sa.Boolean, fields.BooleanField()),
        "seen_at": (sa.DateTime, fields.DateTimeField()),
        "priority": (sa.String(8), fields.NotificationPriorityField()),
        "origin": (sa.String(36), fields.UUIDField()),
    }
    common = dict.fromkeys(("created_at", "updated_at", "deleted_at"), sa.DateTime)
    made = sa.Table(
        "hosts",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("deleted", sa.Integer),
        sa.Column("tags", sa.Text, nullable=False, info={"json": dict}),
        *(sa.Column(name, kind) for name, kind in common.items()),
        *(sa.Column(name, kind, nullable=False) for name, (kind, _) in kinds.items()),
        info={"state_machine": None},
    )
    with fixture.VersionedObjectRegistryFixture():

        @base.WatcherObjectRegistry.register
        class Host(base.WatcherPersistentObject):
            fields = {"id": fields.IntegerField(), "tags": fields.DictField()}
            fields |= {name: field for name, (_, field) in kinds.items()}
            table, resource, not_found = made, "host", exception.ResourceNotFound

        yield Host


def test_the_factory_makes_objects_of_other_classes(make, host):
    host.table.create(db.get_engine())
    first, second = make.create(host), make.create(host)
    assert first == host.get(make.context, first.id)
    assert (first.is_up, first.tags, first.priority) == (False, {}, "debug")
    assert 0 < first.cpus != second.cpus


@pytest.fixture
def lifecycle():
    return testing.Lifecycle()


def moved(obj, *states):
    for state in states:
        obj.state = state
        obj.save()


def broken(lifecycle, engine):
    """Return what is reported of an engine that breaks the life cycle."""
    with pytest.raises(AssertionError) as caught, lifecycle:
        engine()
    return str(caught.value)


@pytest.mark.parametrize(
    ("cls", "first", "last"),
    [
        (Audit, "PENDING", "ONGOING"),
        (ActionPlan, "ONGOING", "CANCELLING"),
        (Action, "PENDING", "ONGOING"),
    ],
)
def test_an_object_left_running_is_reported_with_all_its_transitions(
    lifecycle, make, cls, first, last
):
    obj = make.create(cls, state=first)
    text = broken(lifecycle, lambda: moved(obj, last))
    assert text.startswith("an object was left running\n" + cls.resource)
    assert f"{obj.uuid}: {first} -> {last} (MainThread)" in text


def test_a_rejection_is_reported_even_if_the_engine_swallows_it(lifecycle, make):
    audit = make.audit(name="nightly")

    def engine():
        moved(audit, "ONGOING", "FAILED")
        audit.state = "SUCCEEDED"
        with pytest.raises(exception.InvalidStateTransition):
            audit.save()

    text = broken(lifecycle, engine).splitlines()
    assert text == [
        "a transition was rejected",
        f"audit nightly {audit.uuid}: PENDING -> ONGOING (MainThread) -> FAILED (MainThread)",
        "  rejected: FAILED -> SUCCEEDED (MainThread)",
    ]


def test_the_action_that_prevents_a_plans_deletion_is_reported(lifecycle, make):
    plan = make.action_plan(state="FAILED")
    action = make.action(action_plan=plan, state="ONGOING")

    def engine():
        with pytest.raises(exception.InvalidStateTransition):
            plan.soft_delete()

    text = broken(lifecycle, engine)
    assert f"a child of action_plan {plan.uuid}, {action.uuid}: no transition" in text
    assert "rejected: ONGOING -> DELETED" in text


def test_what_is_allowed_or_somebody_elses_passes(lifecycle, make):
    with lifecycle:
        lifecycle.allow_refused("ONGOING")
        audit = make.audit()
        stale = Audit.get(make.context, audit.id)
        moved(audit, "ONGOING", "SUCCEEDED")
        with pytest.raises(exception.InvalidStateTransition):
            moved(stale, "ONGOING")
        # It was created running, and not moved; or is gone.
        make.audit(state="ONGOING")
        gone = make.audit(state="ONGOING")
        gone.destroy()
        lifecycle.expect(gone, "ONGOING", "gone")
        lifecycle.allow_left("ONGOING")
        moved(make.audit(), "ONGOING")


def test_an_unexpected_life_cycle_is_reported(lifecycle, make):
    with lifecycle:
        audit = make.audit()
        moved(audit, "CANCELLED")
        with pytest.raises(AssertionError, match=r"Expected .*ONGOING\naudit .*CANCELLED"):
            lifecycle.expect(audit, "PENDING", "ONGOING")
        with pytest.raises(AssertionError, match=r"goal goal-.* no transition"):
            lifecycle.expect(make.goal(), "PENDING")


def test_an_error_of_the_test_goes_before_a_fault_of_the_engine(lifecycle, make):
    audit = make.audit()
    with pytest.raises(exception.InvalidState), lifecycle:
        moved(audit, "ONGOING", "NO SUCH STATE")


def test_nothing_is_heard_after_the_end(lifecycle, make):
    with lifecycle:
        audit = make.audit()
    moved(audit, "ONGOING")
    lifecycle.check()


def test_other_processes_are_recorded(lifecycle, make, tmp_path):
    audit = make.audit()
    code = f"""
        from oslo_context.context import RequestContext
        from watcher_objects import Audit, db

        db.configure({str(db.get_engine().url)!r})
        audit = Audit.get_by_uuid(RequestContext(), {audit.uuid!r})
        audit.state = "ONGOING"
        audit.save()
    """
    with lifecycle:
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], check=True
        )
        lifecycle.expect(audit, "PENDING", "ONGOING")
        lifecycle.allow_left("ONGOING")


def test_without_a_journal_nothing_can_be_recorded(lifecycle, make):
    db.configure(db.get_engine().url, journal=False)
    with pytest.raises(exception.DatabaseError, match="journal"), lifecycle:
        pass


def test_engines_in_threads_are_distinguished(lifecycle, make):
    audit = make.audit()
    with lifecycle:
        engine = threading.Thread(target=moved, args=(audit, "ONGOING", "FAILED"), name="engine-1")
        engine.start()
        engine.join()
        with pytest.raises(AssertionError, match=r"FAILED \(engine-1\)"):
            lifecycle.expect(audit)


@pytest.fixture
def waiting(make):
    return make.audit()


def claimed(context, event):
    """Claim an audit, and hold it until the process ends or is frozen for long."""
    with claims.Worker(context, ttl=1):
        lease = claims.claim_next(context, Audit)
        event.set()
        time.sleep(30)
        lease.finish("SUCCEEDED")


def test_a_worker_that_is_killed_is_taken_over(watcher_workers, waiting, make):
    event = multiprocessing.Event()
    process = watcher_workers.start(claimed, make.context, event)
    assert event.wait(30)
    process.kill()
    with pytest.raises(AssertionError, match="claimed failed: -9"):
        process.join()
    (dead,) = claims.Worker.list(make.context)
    watcher_workers.expire(dead)
    with claims.Worker(make.context):
        (lease,) = claims.take_over(Audit)
        lease.finish("SUCCEEDED")


def test_a_worker_that_is_frozen_goes_on(watcher_workers, waiting, make):
    event = multiprocessing.Event()

    def engine():
        with claims.Worker(make.context) as worker:
            lease = claims.claim_next(make.context, Audit)
            event.set()
            while not Audit.get(make.context, waiting.id).status_message:
                time.sleep(0.01)
            with testing.expect_fenced():
                lease.finish("SUCCEEDED")
            assert not worker._running().leases

    process = watcher_workers.start(engine)
    assert event.wait(30)
    process.freeze()
    (frozen,) = claims.Worker.list(make.context)
    watcher_workers.expire(frozen)
    with claims.Worker(make.context):
        (lease,) = claims.take_over(Audit)
        lease.finish("FAILED", status_message="taken over")
    with pytest.raises(AssertionError, match="engine still runs"):
        process.join(0.1)
    process.thaw()
    process.join()


def test_an_error_of_a_worker_is_reported(watcher_workers):
    def engine():
        raise LookupError("nothing")

    with pytest.raises(AssertionError, match="engine failed: LookupError: nothing"):
        watcher_workers.start(engine).join()


def test_a_write_that_is_not_fenced_is_reported(watcher_workers, waiting, make):
    with claims.Worker(make.context) as worker:
        lease = claims.claim_next(make.context, Audit)
        with pytest.raises(AssertionError, match="not rejected"), testing.expect_fenced():
            lease.save(status_message="half way")
        waiting.state = "CANCELLED"

        def cancel_and_finish():
            with testing.expect_fenced():
                waiting.save()
                lease.finish("SUCCEEDED")

        with pytest.raises(AssertionError, match="rows have changed"):
            cancel_and_finish()
    with pytest.raises(exception.WorkerNotFound):
        watcher_workers.expire(worker)


ENGINE = """
    import pytest

    @pytest.mark.parametrize("turn", range(3))
    def test_a_database_is_as_new(watcher_factory, turn):
        from watcher_objects import Goal

        assert Goal.list(watcher_factory.context) == []
        watcher_factory.goal(name="always the same")
"""


@pytest.fixture
def suite(pytester):
    """The tests of an engine, run in this process or in one of their own."""
    pytester.makeini("""
        [pytest]
        filterwarnings =
            error
            ignore:Module already imported so cannot be rewritten
    """)
    pytester.makepyfile(ENGINE)
    return pytester


def test_each_test_has_a_database_to_itself(suite):
    suite.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=3)


def test_server_and_options_are_what_a_conftest_says(suite):
    with servers.scratch("postgresql", suite.path, "_found") as found:
        documented = block("conftest", page("engine"))
        suite.makeconftest(documented.replace("postgresql://postgres@127.0.0.1/postgres", found))
        suite.makepyfile("""
            def test_it(watcher_database, watcher_factory):
                from watcher_objects.db.backend import database as backend

                known = backend.get_engine().dialect.name, backend.get_profile()
                print("configured", *known)
        """)
        done = suite.runpytest_inprocess("-p", "no:xdist", "-s")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*configured sqlite watcher*", "*configured postgresql watcher*"])


def test_a_fault_of_an_engine_fails_its_test(suite):
    suite.makepyfile("""
        def test_engine(watcher_factory, watcher_lifecycle):
            audit = watcher_factory.audit(name="nightly")
            audit.state = "ONGOING"
            audit.save()
    """)
    done = suite.runpytest_inprocess("-p", "no:xdist")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["E *audit nightly *: PENDING -> ONGOING (MainThread)"])


def test_who_asks_for_no_fixture_does_not_import_the_library(pytester):
    pytester.makepyfile("""
        import sys

        def test_modules():
            assert "pytest_watcher_objects" in sys.modules
            assert not {"watcher_objects", "sqlalchemy", "oslo_versionedobjects"} & {*sys.modules}
    """)
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
