# SPDX-License-Identifier: Apache-2.0
"""Action plans through Watcher's applier: run, failed, cancelled, and left by a dead applier."""

import pytest
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
    return [told for told in notified if told[0] in names]


def test_plan_of_a_nop_and_a_sleep_succeeds(watcher, notified):
    plan = recommended(watcher, NOP, SLEEP)
    assert watcher.patch(plan, state="PENDING") == 200
    assert watcher.reaches(plan, "SUCCEEDED")
    assert states_of_actions(watcher, plan) == ["SUCCEEDED", "SUCCEEDED"]
    assert watcher.api.delete(plan).status_code == 204
    changes = [told for told in of_plan(notified) if told[1]]
    assert of_plan(notified)[0] == ("action_plan.create", None, "RECOMMENDED")
    assert changes == [
        ("action_plan.update", "RECOMMENDED", "PENDING"),
        ("action_plan.update", "PENDING", "ONGOING"),
        ("action_plan.update", "ONGOING", "SUCCEEDED"),
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


def test_plan_that_is_cancelled_while_its_last_action_runs_ends(watcher, profile):
    plan = cancelled_while_it_runs(watcher, LONG)
    # Watcher writes SUCCEEDED over CANCELLING; where that is rejected, it ends the plan as one
    # that is cancelled.
    assert watcher.reaches(plan, "CANCELLED" if profile == "strict" else "SUCCEEDED")
    assert states_of_actions(watcher, plan) == ["SUCCEEDED"]


def test_plan_that_is_cancelled_before_it_runs_takes_its_actions_along(watcher):
    plan = recommended(watcher, NOP, SLEEP)
    assert watcher.patch(plan, state="CANCELLED") == 200
    assert states_of_actions(watcher, plan) == ["CANCELLED", "CANCELLED"]


def test_plan_never_run_can_be_deleted(watcher, profile):
    plan = recommended(watcher, NOP)
    # The documented states lead from RECOMMENDED to PENDING, CANCELLED and SUPERSEDED only.
    assert watcher.api.delete(plan).status_code == {"watcher": 204, "strict": 409}[profile]


def test_plan_without_actions_succeeds_at_once(watcher, profile):
    parameters = {"actions": []}
    audit = watcher.audit(
        audit_type="ONESHOT", goal="unclassified", strategy="actuator", parameters=parameters
    )
    # Its planner writes RECOMMENDED, then SUCCEEDED, which the documented states refuse: the
    # plan stays as it is, and the audit fails.
    audit_ends, plan_is = {
        "watcher": ("SUCCEEDED", "SUCCEEDED"),
        "strict": ("FAILED", "RECOMMENDED"),
    }[profile]
    assert watcher.reaches(f"/audits/{audit['uuid']}", audit_ends)
    (plan,) = watcher.get(f"/action_plans?audit_uuid={audit['uuid']}")["action_plans"]
    assert plan["state"] == plan_is


def test_plan_that_a_dead_applier_left_is_cancelled(watcher, profile):
    plan = recommended(watcher, NOP)
    stored = objects.ActionPlan.get_by_uuid(watcher.context, plan.rpartition("/")[2])
    for state in ("PENDING", "ONGOING"):
        stored.state, stored.hostname = state, "dead"
        stored.save()
    syncer = sync.Syncer()
    if profile == "strict":
        # The documented states lead from ONGOING through CANCELLING to CANCELLED.
        with pytest.raises(objects.exception.InvalidStateTransition):
            syncer._cancel_ongoing_actionplans(watcher.context, "dead")
    else:
        syncer._cancel_ongoing_actionplans(watcher.context, "dead")
        assert watcher.reaches(plan, "CANCELLED")
        assert states_of_actions(watcher, plan) == ["CANCELLED"]
