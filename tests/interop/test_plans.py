# SPDX-License-Identifier: Apache-2.0
"""Action plans through Watcher's applier: run, failed, cancelled, and left by a dead applier."""

from watcher import objects
from watcher.applier import sync

NOP = {"action_type": "nop", "input_parameters": {"message": "nothing"}}
FAILING = {"action_type": "nop", "input_parameters": {"message": "no", "fail_execute": True}}
SLEEP = {"action_type": "sleep", "input_parameters": {"duration": 1}}
LONG = {"action_type": "sleep", "input_parameters": {"duration": 2}}


def recommended(watcher, *actions):
    """Return the address of a plan that the engine has made of these actions."""
    parameters = {"actions": actions}
    audit = watcher.audit(
        audit_type="ONESHOT", goal="unclassified", strategy="actuator", parameters=parameters
    )
    assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    (plan,) = watcher.get(f"/action_plans?audit_uuid={audit['uuid']}")["action_plans"]
    return f"/action_plans/{plan['uuid']}"


def states_of_actions(watcher, plan):
    uuid = plan.rpartition("/")[2]
    return sorted(a["state"] for a in watcher.get(f"/actions?action_plan_uuid={uuid}")["actions"])


def of_plan(notified):
    names = ("action_plan.create", "action_plan.update", "action_plan.delete")
    return [event for event in notified if event[0] in names]


def test_plan_of_a_nop_and_a_sleep_succeeds(watcher, notified):
    plan = recommended(watcher, NOP, SLEEP)
    assert watcher.patch(plan, state="PENDING") == 200
    assert watcher.reaches(plan, "SUCCEEDED")
    assert states_of_actions(watcher, plan) == ["SUCCEEDED", "SUCCEEDED"]
    assert watcher.api.delete(plan).status_code == 204
    changes = [event for event in of_plan(notified) if event[1]]
    assert of_plan(notified)[0] == ("action_plan.create", None, "RECOMMENDED")
    assert changes == [
        ("action_plan.update", "RECOMMENDED", "PENDING"),
        ("action_plan.update", "PENDING", "ONGOING"),
        ("action_plan.update", "ONGOING", "SUCCEEDED"),
        ("action_plan.update", "SUCCEEDED", "DELETED"),
    ]
    assert of_plan(notified)[-1] == ("action_plan.delete", None, "DELETED")


def test_plan_with_a_failing_action_fails(watcher):
    plan = recommended(watcher, NOP, FAILING)
    assert watcher.patch(plan, state="PENDING") == 200
    assert watcher.reaches(plan, "FAILED")
    assert states_of_actions(watcher, plan) == ["FAILED", "SUCCEEDED"]


def cancelled_while_it_runs(watcher, *actions):
    plan = recommended(watcher, *actions)
    assert watcher.patch(plan, state="PENDING") == 200
    assert watcher.until(lambda: "ONGOING" in states_of_actions(watcher, plan))
    assert watcher.patch(plan, state="CANCELLING") == 200
    return plan


def test_plan_that_is_cancelled_while_it_runs_ends_cancelled(watcher):
    plan = cancelled_while_it_runs(watcher, LONG, SLEEP)
    assert watcher.reaches(plan, "CANCELLED")
    assert states_of_actions(watcher, plan) == ["CANCELLED", "SUCCEEDED"]


def test_plan_that_is_cancelled_while_its_last_action_runs_ends(watcher):
    plan = cancelled_while_it_runs(watcher, LONG)
    assert watcher.reaches(plan, "SUCCEEDED")
    assert states_of_actions(watcher, plan) == ["SUCCEEDED"]


def test_plan_that_is_cancelled_before_it_runs_takes_its_actions_along(watcher):
    plan = recommended(watcher, NOP, SLEEP)
    assert watcher.patch(plan, state="CANCELLED") == 200
    assert states_of_actions(watcher, plan) == ["CANCELLED", "CANCELLED"]


def test_plan_never_run_can_be_deleted(watcher):
    plan = recommended(watcher, NOP)
    assert watcher.api.delete(plan).status_code == 204


def test_plan_without_actions_succeeds_at_once(watcher):
    parameters = {"actions": []}
    audit = watcher.audit(
        audit_type="ONESHOT", goal="unclassified", strategy="actuator", parameters=parameters
    )
    assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    (plan,) = watcher.get(f"/action_plans?audit_uuid={audit['uuid']}")["action_plans"]
    assert plan["state"] == "SUCCEEDED"


def test_plan_that_a_dead_applier_left_is_cancelled(watcher):
    plan = recommended(watcher, NOP)
    stored = objects.ActionPlan.get_by_uuid(watcher.context, plan.rpartition("/")[2])
    for state in ("PENDING", "ONGOING"):
        stored.state, stored.hostname = state, "dead"
        stored.save()
    sync.Syncer()._cancel_ongoing_actionplans(watcher.context, "dead")
    assert watcher.reaches(plan, "CANCELLED")
    assert states_of_actions(watcher, plan) == ["CANCELLED"]
