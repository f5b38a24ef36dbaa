# SPDX-License-Identifier: Apache-2.0
"""What Watcher does by itself: synchronise goals, watch over services, expire, purge."""

import datetime

import pytest
from oslo_config import cfg
from oslo_utils import timeutils
from watcher import objects
from watcher.applier import service_monitor as applier_monitor
from watcher.common import service
from watcher.db import purge
from watcher.decision_engine import scheduling, service_monitor, sync
from watcher.decision_engine.goal import goals
from watcher.decision_engine.loading import default

ACTUATOR = {"goal": "unclassified", "strategy": "actuator"}


def ended_audit(watcher):
    """Return an audit that has succeeded, and its plan."""
    parameters = {"actions": [{"action_type": "nop", "input_parameters": {"message": "hello"}}]}
    made = watcher.audit(audit_type="ONESHOT", parameters=parameters, **ACTUATOR)
    assert watcher.reaches(f"/audits/{made['uuid']}", "SUCCEEDED")
    (plan,) = objects.ActionPlan.list(watcher.context, filters={"audit_uuid": made["uuid"]})
    return objects.Audit.get_by_uuid(watcher.context, made["uuid"]), plan


def is_down(watcher, name):
    """Store a service of another host, which has not been heard of for an hour."""
    long_ago = timeutils.utcnow() - datetime.timedelta(hours=1)
    objects.Service(watcher.context, name=name, host="dead", last_seen_up=long_ago).create()


def rename(monkeypatch, goal):
    monkeypatch.setattr(goal, "get_translatable_display_name", classmethod(lambda cls: "New"))


def test_syncing_again_changes_nothing(watcher):
    before = [goal.as_dict() for goal in objects.Goal.list(watcher.seeing_all)]
    sync.Syncer().sync()
    assert [goal.as_dict() for goal in objects.Goal.list(watcher.seeing_all)] == before


def test_changed_goal_takes_its_audits_along(watcher, monkeypatch):
    pending = watcher.audit(audit_type="EVENT")
    old = objects.Goal.get_by_name(watcher.context, "dummy")
    rename(monkeypatch, goals.Dummy)
    sync.Syncer().sync()
    new = objects.Goal.get_by_name(watcher.context, "dummy")
    audit = objects.Audit.get_by_uuid(watcher.context, pending["uuid"])
    assert (new.display_name, audit.goal_id, audit.state) == ("New", new.id, "CANCELLED")
    assert objects.Goal.get_by_id(watcher.seeing_all, old.id).deleted_at is not None


def test_changed_goal_cancels_audits_that_have_ended(watcher, monkeypatch):
    audit, plan = ended_audit(watcher)
    rename(monkeypatch, goals.Unclassified)
    sync.Syncer().sync()
    audit.refresh()
    plan.refresh()
    assert (audit.state, plan.state) == ("CANCELLED", "CANCELLED")


def test_removed_strategy_lets_go_of_its_template_and_cancels_its_audits(watcher, monkeypatch):
    watcher.post("/audit_templates", name="nightly", goal="dummy", strategy="dummy")
    pending = watcher.audit(audit_type="EVENT")
    installed = default.DefaultStrategyLoader().list_available()
    del installed["dummy"]
    monkeypatch.setattr(default.DefaultStrategyLoader, "list_available", lambda self: installed)
    sync.Syncer().sync()
    template = objects.AuditTemplate.get_by_name(watcher.context, "nightly")
    audit = objects.Audit.get_by_uuid(watcher.context, pending["uuid"])
    assert (template.strategy_id, audit.state) == (None, "CANCELLED")
    assert objects.Strategy.list(watcher.context, filters={"name": "dummy"}) == []


def test_heartbeat_is_kept_in_one_row(watcher):
    beat = service.ServiceHeartbeat(service_name="watcher-applier")
    beat.send_beat()
    (row,) = objects.Service.list(watcher.context, filters={"name": "watcher-applier"})
    assert row.last_seen_up is not None


def test_monitor_gives_audits_of_a_dead_engine_to_a_living_one(watcher):
    made = watcher.audit(audit_type="CONTINUOUS", interval="3600")
    audit = objects.Audit.get_by_uuid(watcher.context, made["uuid"])
    audit.state, audit.hostname = "ONGOING", "dead"
    audit.save()
    service.ServiceHeartbeat(service_name="watcher-decision-engine")
    is_down(watcher, "watcher-decision-engine")
    service_monitor.DecisionEngineMonitor().monitor_services_status(watcher.context)
    audit.refresh()
    assert (audit.hostname, audit.state) == (cfg.CONF.host, "ONGOING")


def test_monitor_starts_pending_plans_of_a_dead_applier_again(watcher):
    _, plan = ended_audit(watcher)
    plan.state, plan.hostname = "PENDING", "dead"
    plan.save()
    service.ServiceHeartbeat(service_name="watcher-applier")
    is_down(watcher, "watcher-applier")
    applier_monitor.ApplierMonitor().monitor_services_status(watcher.context)
    assert watcher.reaches(f"/action_plans/{plan.uuid}", "SUCCEEDED")


def test_expired_plan_is_superseded(watcher, monkeypatch):
    _, plan = ended_audit(watcher)
    cfg.CONF.set_override("action_plan_expiry", 1, "watcher_decision_engine")
    later = timeutils.utcnow() + datetime.timedelta(hours=2)
    monkeypatch.setattr(timeutils, "utcnow", lambda: later)
    objects.action_plan.StateManager().check_expired(watcher.context)
    plan.refresh()
    assert plan.state == "SUPERSEDED"


def test_restarted_engine_cancels_all_oneshot_audits_that_it_had(watcher):
    for name in ("a", "b", "c"):
        made = watcher.audit(audit_type="EVENT", name=name)
        audit = objects.Audit.get_by_uuid(watcher.context, made["uuid"])
        audit.audit_type, audit.state, audit.hostname = "ONESHOT", "ONGOING", cfg.CONF.host
        audit.save()
    scheduling.DecisionEngineSchedulingService().cancel_ongoing_audits()
    assert {audit.state for audit in objects.Audit.list(watcher.context)} == {"CANCELLED"}


@pytest.fixture
def purge_all(monkeypatch):
    """Watcher's command, whose question is answered with yes."""
    monkeypatch.setattr("builtins.input", lambda prompt: "y")

    def run(age_in_days=None, max_number=None, dry_run=False):
        purge.purge(age_in_days, max_number, None, False, dry_run)

    return run


@pytest.fixture
def deleted(watcher):
    """An audit, its plan and its action, run to their ends and deleted."""
    audit, plan = ended_audit(watcher)
    assert watcher.patch(f"/action_plans/{plan.uuid}", state="PENDING") == 200
    assert watcher.reaches(f"/action_plans/{plan.uuid}", "SUCCEEDED")
    assert watcher.api.delete(f"/action_plans/{plan.uuid}").status_code == 204
    assert watcher.api.delete(f"/audits/{audit.uuid}").status_code == 204
    return [objects.Audit, objects.ActionPlan, objects.Action]


def test_purge_removes_what_has_been_deleted(watcher, deleted, purge_all):
    purge_all()
    assert [cls.list(watcher.seeing_all) for cls in deleted] == [[], [], []]


@pytest.mark.parametrize("spared", [{"age_in_days": 1}, {"max_number": 2}, {"dry_run": True}])
def test_purge_spares_what_is_protected(watcher, deleted, purge_all, spared):
    purge_all(**spared)
    assert [len(cls.list(watcher.seeing_all)) for cls in deleted] == [1, 1, 1]


def test_purge_leaves_what_is_alive(watcher, purge_all):
    audit, plan = ended_audit(watcher)
    purge_all()
    assert objects.Audit.list(watcher.seeing_all) == [audit]
    assert objects.ActionPlan.list(watcher.seeing_all) == [plan]
