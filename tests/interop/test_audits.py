# SPDX-License-Identifier: Apache-2.0
"""Audits of the three types through Watcher's engine, and what is notified of them."""

from watcher import objects
from watcher.common import service
from watcher.decision_engine.audit import continuous


def of_audit(notified):
    names = ("audit.create", "audit.update", "audit.delete")
    return [event for event in notified if event[0] in names]


def plans_of(watcher, audit):
    return watcher.get(f"/action_plans?audit_uuid={audit['uuid']}")["action_plans"]


def test_oneshot_audit_is_notified_with_the_state_that_it_left(watcher, notified):
    audit = watcher.audit(audit_type="ONESHOT")
    assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    assert watcher.api.delete(f"/audits/{audit['uuid']}").status_code == 204
    assert of_audit(notified) == [
        ("audit.create", None, "PENDING"),
        ("audit.update", "PENDING", "ONGOING"),
        ("audit.update", "ONGOING", "SUCCEEDED"),
        ("audit.update", "SUCCEEDED", "DELETED"),
        ("audit.delete", None, "DELETED"),
    ]


def test_oneshot_audit_makes_a_plan_of_two_nops_and_a_sleep(watcher):
    audit = watcher.audit(audit_type="ONESHOT")
    assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    (plan,) = plans_of(watcher, audit)
    actions = watcher.get(f"/actions?action_plan_uuid={plan['uuid']}")["actions"]
    assert sorted(action["action_type"] for action in actions) == ["nop", "nop", "sleep"]


def test_audit_whose_strategy_fails_is_failed(watcher, notified, monkeypatch):
    monkeypatch.setattr(
        "watcher.decision_engine.strategy.strategies.dummy_strategy.DummyStrategy.do_execute",
        lambda self, audit: 1 / 0,
    )
    audit = watcher.audit(audit_type="ONESHOT")
    assert watcher.reaches(f"/audits/{audit['uuid']}", "FAILED")
    assert of_audit(notified)[-1] == ("audit.update", "ONGOING", "FAILED")


def test_event_audit_runs_again_when_it_is_triggered_again(watcher, notified):
    audit = watcher.audit(audit_type="EVENT")
    watcher.post(f"/webhooks/{audit['uuid']}")
    assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    watcher.post(f"/webhooks/{audit['uuid']}")
    assert watcher.until(lambda: len(plans_of(watcher, audit)) == 2)
    assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    run = [("audit.update", "PENDING", "ONGOING"), ("audit.update", "ONGOING", "SUCCEEDED")]
    again = [("audit.update", "SUCCEEDED", "ONGOING"), run[1]]
    # Watcher alone does not end the second run.
    assert of_audit(notified)[1:] == [*run, *again]


def test_continuous_audit_runs_until_it_is_cancelled(watcher):
    audit = watcher.audit(audit_type="CONTINUOUS", interval="1")
    service.ServiceHeartbeat(service_name="watcher-decision-engine")  # the jobs are a service's
    handler = continuous.ContinuousAuditHandler()
    try:
        handler.launch_audits_periodically()
        assert watcher.until(lambda: len(plans_of(watcher, audit)) >= 2)
        stored = objects.Audit.get_by_uuid(watcher.context, audit["uuid"])
        assert (stored.state, stored.next_run_time is not None) == ("ONGOING", True)
        assert watcher.patch(f"/audits/{audit['uuid']}", state="CANCELLED") == 200
        handler.launch_audits_periodically()
        assert handler.scheduler.get_jobs() == []
    finally:
        handler.scheduler.pause()  # not shutdown(): all schedulers of Watcher share their threads
    states = {plan["state"] for plan in plans_of(watcher, audit)}
    assert states == {"CANCELLED", "RECOMMENDED"}
    assert watcher.reaches(f"/audits/{audit['uuid']}", "CANCELLED")
