# SPDX-License-Identifier: Apache-2.0
"""What Watcher needs of these objects in addition: claims, pickled jobs, errors, documents."""

import base64
import pickle

import pytest
from oslo_context.context import RequestContext
from watcher import objects
from watcher.applier.action_plan import default as plans
from watcher.common import exception as watcher_exception
from watcher.common import utils
from watcher.decision_engine.audit import event, oneshot

import watcher_objects
from tests.interop import process
from watcher_objects import db, exception
from watcher_objects.db import migration, models

#: Pickles an audit in a process of Watcher alone, and reads a pickle there, and saves it.
EXCHANGE = """
import base64, pickle
audit, = objects.Audit.list(context, filters={"name": "nightly"}, eager=True)
theirs = base64.b64encode(pickle.dumps(audit)).decode()
ours = pickle.loads(base64.b64decode(sys.argv[2]))
columns = audit.fields.keys() - audit.object_fields.keys()
differing = [name for name in columns if ours[name] != audit[name]]
ours.next_run_time = None
ours.save()
print(json.dumps([theirs, differing, ours.goal.name]))
"""


def audit_of(watcher, audit_type="ONESHOT"):
    """Create an audit that no engine is called to execute."""
    goal = objects.Goal.get_by_name(watcher.context, "dummy")
    audit = objects.Audit(
        watcher.context,
        name=utils.generate_uuid(),
        audit_type=audit_type,
        goal_id=goal.id,
    )
    audit.create()
    return objects.Audit.get_by_uuid(watcher.context, audit.uuid, eager=True)


@pytest.fixture
def handler(watcher, monkeypatch):
    """A function that executes an audit, and calls ``during`` while its strategy runs."""
    runs = []

    def execute(audit, during=lambda: None, handlers=(oneshot.OneShotAuditHandler,)):
        def do_execute(audit, request_context):
            runs.append(audit.uuid)
            during()

        for cls in handlers:
            one = cls()
            monkeypatch.setattr(one, "do_execute", do_execute)
            monkeypatch.setattr(one, "do_schedule", lambda *_: None)
            one.execute(audit, watcher.context)
        return runs

    return execute


@pytest.mark.parametrize("reads", ["PENDING", "ONGOING"])
@pytest.mark.parametrize("kind", [oneshot.OneShotAuditHandler, event.EventAuditHandler])
def test_an_audit_that_is_announced_twice_runs_once(watcher, handler, kind, reads):
    first = audit_of(watcher, kind.__name__[:-12].upper())
    stale = objects.Audit.get_by_uuid(watcher.context, first.uuid, eager=True)

    def second():
        again = stale if reads == "PENDING" else objects.Audit.get(watcher.context, first.id, True)
        assert again.state == reads
        kind().execute(again, watcher.context)
        assert objects.Audit.get(watcher.context, first.id).state == "ONGOING"

    assert handler(first, second, [kind]) == [first.uuid]
    assert objects.Audit.get(watcher.context, first.id).state == "SUCCEEDED"


def test_an_engine_leaves_an_audit_alone_that_was_deleted(watcher, handler):
    audit = audit_of(watcher)

    def delete():
        other = objects.Audit.get(watcher.context, audit.id)
        other.state = "CANCELLED"
        other.save()
        other.soft_delete()

    assert handler(audit, delete) == [audit.uuid]
    watcher.context.show_deleted = True
    assert objects.Audit.get(watcher.context, audit.id).state == "DELETED"


@pytest.mark.parametrize("state", ["CANCELLED", "SUSPENDED"])
def test_an_engine_that_ends_too_late_leaves_the_state_alone(watcher, handler, state):
    audit = audit_of(watcher)

    def change():
        other = objects.Audit.get(watcher.context, audit.id)
        other.state = state
        other.save()

    assert handler(audit, change) == [audit.uuid]
    # The rejected state is not written with what follows, as at the end of a continuous run.
    audit.status_message = "late"
    audit.save()
    assert objects.Audit.get(watcher.context, audit.id).state == state


def test_a_plan_that_is_announced_twice_runs_once(watcher, monkeypatch):
    audit = audit_of(watcher)
    strategy = objects.Strategy.get_by_name(watcher.context, "dummy")
    plan = objects.ActionPlan(
        watcher.context, audit_id=audit.id, strategy_id=strategy.id, global_efficacy=[]
    )
    plan.state = "RECOMMENDED"
    plan.create()
    plan.state = "PENDING"
    plan.save()
    runs = []

    def handle():
        plans.DefaultActionPlanHandler(watcher.context, None, plan.uuid).execute()

    def execute(self, uuid):
        runs.append(uuid)
        handle()
        assert objects.ActionPlan.get(watcher.context, plan.id).state == "ONGOING"

    monkeypatch.setattr(plans.default.DefaultApplier, "execute", execute)
    handle()
    handle()
    assert runs == [plan.uuid]
    assert objects.ActionPlan.get(watcher.context, plan.id).state == "SUCCEEDED"


def test_watcher_reads_pickled_audits_and_its_own_are_read(empty):
    migration.upgrade()
    context = RequestContext()
    goal = objects.Goal(context, name="goal", display_name="Goal", efficacy_specification=[])
    goal.create()
    objects.Audit(
        context,
        name="nightly",
        audit_type="CONTINUOUS",
        goal_id=goal.id,
        interval="60",
        parameters={"a": [1]},
    ).create()
    audit = objects.Audit.get_by_name(context, "nightly", eager=True)
    audit.next_run_time = "2026-01-01T00:00:00"
    audit.save()
    ours = base64.b64encode(pickle.dumps(audit)).decode()
    theirs, differing, name = process.ended(process.start(EXCHANGE, empty, ours))
    assert (differing, name) == ([], "goal")
    read = pickle.loads(base64.b64decode(theirs))  # noqa: S301 - written above
    assert type(read) is objects.Audit
    assert (read, read.state, read.goal) == (audit, "PENDING", audit.goal)
    assert read.obj_what_changed() == set()
    read.parameters["a"].append(2)
    read.save()
    read.refresh()
    assert (read.parameters, read.next_run_time) == ({"a": [1, 2]}, None)


def test_check_reports_jobs_that_only_these_objects_can_read(empty):
    migration.upgrade()
    service = objects.Service(RequestContext(), name="engine", host="host")
    service.create()
    pickles = {"watcher": objects.Audit(), "text": "watcher_objects", "ours": watcher_objects.Goal}
    for name, pickled in pickles.items():
        job = {"id": name, "job_state": pickle.dumps(pickled), "service_id": service.id}
        with db.get_engine().begin() as connection:
            connection.execute(models.apscheduler_jobs.insert().values(job))
    what = "1 rows of apscheduler_jobs cannot be read without this library: id ours"
    assert [finding.what for finding in migration.check() if finding.need] == [what]


@pytest.mark.parametrize("name", ["AuditNotFound", "AuditAlreadyExists", "InvalidIdentity"])
def test_watcher_catches_these_errors_as_its_own(name):
    ours, theirs = getattr(exception, name), getattr(watcher_exception, name)
    error = ours(audit="a", identity="a", uuid="a", fields=())
    assert isinstance(error, theirs)
    assert isinstance(error, exception.WatcherException)
    assert (error.code, error.kwargs["code"]) == (theirs.code, theirs.code)


def test_strategies_take_the_text_of_a_schema(watcher):
    strategy = objects.Strategy.get_by_name(watcher.context, "dummy")
    for given in ("{'a': None}", '{"a": null}', {"a": None}):
        strategy.parameters_spec = given
        assert strategy.parameters_spec == {"a": None}
    for given in ("{'a': None", "[1]", "open('/etc/passwd')"):
        with pytest.raises(exception.InvalidValue):
            strategy.parameters_spec = given
