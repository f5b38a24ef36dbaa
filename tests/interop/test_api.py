# SPDX-License-Identifier: Apache-2.0
"""Lists of Watcher's REST API: every filter, every sort key, both directions, and pages."""

import pytest
from watcher import objects

#: What sort keys of the API stand for no column of the table.
COMPUTED = {
    "audits": ("goal_uuid", "goal_name", "strategy_uuid", "strategy_name"),
    "audit_templates": ("goal_uuid", "goal_name", "strategy_uuid", "strategy_name"),
    "action_plans": ("audit_uuid", "strategy_uuid", "strategy_name"),
    "actions": ("action_plan_uuid",),
}
CLASSES = {
    "audits": objects.Audit,
    "audit_templates": objects.AuditTemplate,
    "action_plans": objects.ActionPlan,
    "actions": objects.Action,
}


@pytest.fixture
def filled(watcher):
    """Two audits by templates, of two goals and strategies, with their plans and actions."""
    for name, strategy in (("b", "dummy"), ("a", "actuator")):
        goal = watcher.get(f"/strategies/{strategy}")["goal_name"]
        watcher.post("/audit_templates", name=name, goal=goal, strategy=strategy)
        actions = [{"action_type": "nop", "input_parameters": {"message": name}}]
        parameters = {"actions": actions} if strategy == "actuator" else {}
        audit = watcher.audit(
            name=name, audit_type="ONESHOT", goal=goal, strategy=strategy, parameters=parameters
        )
        assert watcher.reaches(f"/audits/{audit['uuid']}", "SUCCEEDED")
    return watcher


def names(watcher, what, query=""):
    return [found["uuid"] for found in watcher.get(f"/{what}?{query}")[what]]


@pytest.mark.parametrize("what", CLASSES)
def test_list_sorts_by_every_key_both_ways(filled, what):
    everything = sorted(names(filled, what))
    cls = CLASSES[what]
    documents = {c.name for c in cls.table.columns if "json" in c.info}
    keys = cls.fields.keys() - cls.object_fields.keys() - documents
    for key in (*keys, *COMPUTED[what]):
        up = names(filled, what, f"sort_key={key}")
        down = names(filled, what, f"sort_key={key}&sort_dir=desc")
        assert (sorted(up), down) == (everything, up[::-1]), key


@pytest.mark.parametrize("what", CLASSES)
def test_list_comes_in_pages(filled, what):
    everything, marker = names(filled, what), ""
    for expected in everything:
        (found,) = names(filled, what, f"limit=1{marker}")
        assert found == expected
        marker = f"&marker={found}"
    assert names(filled, what, f"limit=1{marker}") == []


@pytest.mark.parametrize("what", ["audits", "audit_templates"])
def test_list_filters_by_goal_and_strategy(filled, what):
    (by_name,) = names(filled, what, "goal=dummy")
    goal, strategy = (filled.get(f"/{kind}/dummy")["uuid"] for kind in ("goals", "strategies"))
    for query in (f"goal={goal}", "strategy=dummy", f"strategy={strategy}"):
        assert names(filled, what, query) == [by_name]
    assert names(filled, what, "goal=dummy&strategy=actuator") == []


def test_list_of_plans_and_actions_filters_by_owner(filled):
    audit, other = filled.get("/audits/a"), filled.get("/audits/b")
    (plan,) = names(filled, "action_plans", f"audit_uuid={audit['uuid']}")
    assert names(filled, "action_plans", "strategy=actuator") == [plan]
    (action,) = names(filled, "actions", f"action_plan_uuid={plan}")
    assert names(filled, "actions", f"audit_uuid={audit['uuid']}") == [action]
    assert len(names(filled, "actions", f"audit_uuid={other['uuid']}")) == 3


def test_template_is_changed_and_deleted(filled):
    assert filled.patch("/audit_templates/a", name="c") == 200
    assert filled.api.delete("/audit_templates/c").status_code == 204
    assert [t["name"] for t in filled.get("/audit_templates")["audit_templates"]] == ["b"]


def test_audit_goes_only_where_its_state_leads(filled):
    assert filled.patch("/audits/a", state="PENDING") == 400
    assert filled.api.delete("/audits/a").status_code == 204
    assert filled.api.get("/audits/a").status_code == 404
