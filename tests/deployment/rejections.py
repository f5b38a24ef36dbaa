# SPDX-License-Identifier: Apache-2.0
"""Requests that Watcher's API rejects, or accepts though they change nothing."""

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def requests(deployment):
    """Read what does not exist, and create what is not valid."""
    client = deployment.client
    for kind in ("audits", "action_plans", "actions", "audit_templates", "goals", "strategies"):
        for name in (UNKNOWN, "unknown", "999"):
            client.ask("GET", f"/v1/{kind}/{name}")
        client.ask("GET", f"/v1/{kind}?marker={UNKNOWN}")
        client.ask("GET", f"/v1/{kind}?sort_key=unknown")
        client.ask("GET", f"/v1/{kind}?limit=-1")
        client.ask("GET", f"/v1/{kind}?sort_dir=up")
    client.ask("GET", "/v1/services/999")
    client.ask("GET", "/v1/services/unknown")
    client.ask("GET", f"/v1/scoring_engines/{UNKNOWN}")
    good = {"audit_type": "ONESHOT", "goal": "dummy"}
    for changed in (
        {"audit_type": "NEVER"},
        {"audit_type": "CONTINUOUS"},
        {"audit_type": "CONTINUOUS", "interval": "often"},
        {"interval": "60"},
        {"goal": "unknown"},
        {"goal": None},
        {"goal": UNKNOWN},
        {"strategy": "unknown"},
        {"strategy": "dummy", "parameters": {"para1": 99}},
        {"parameters": {"para1": 1.0}},
        {"audit_template_uuid": UNKNOWN},
        {"audit_template_uuid": UNKNOWN, "goal": None},
        {"state": "SUCCEEDED"},
        {"scope": {"compute": []}},
        {"start_time": "2030-01-01T00:00:00"},
        {"unknown": 1},
    ):
        client.ask("POST", "/v1/audits", good | changed)
    for path in (f"/v1/audits/{UNKNOWN}", f"/v1/action_plans/{UNKNOWN}"):
        client.patch(path, state="CANCELLED")
        client.ask("DELETE", path)
    client.ask("POST", f"/v1/action_plans/{UNKNOWN}/start")


def changes(deployment):
    """Change an audit, a plan and an action as Watcher does not allow."""
    client = deployment.client
    path = client.audit("rejected", audit_type="EVENT")
    client.patch(path, state="SUCCEEDED")
    client.patch(path, state="SLEEPING")
    client.patch(path, state=None)
    client.patch(path, name="once")
    client.patch(path, name=None)
    client.patch(path, goal=UNKNOWN)
    client.patch(path, goal_uuid=UNKNOWN)
    client.patch(path, uuid=UNKNOWN)
    client.patch(path, interval="600")
    client.patch(path, status_message="fine")
    client.patch(path, unknown=1)
    client.ask("DELETE", path)
    client.patch(path, state="CANCELLED")
    client.patch(path, state="CANCELLED")
    client.ask("DELETE", path)
    of_plan = client.planned("steady")
    client.patch(of_plan, state="SUCCEEDED")
    client.patch(of_plan, state="SLEEPING")
    client.patch(of_plan, hostname="elsewhere")
    client.patch(of_plan, uuid=UNKNOWN)
    of_plan = of_plan.rpartition("/")[2]
    actions = client.send("GET", f"/v1/actions?action_plan_uuid={of_plan}").json()["actions"]
    action = f"/v1/actions/{actions[0]['uuid']}"
    client.patch(action, state="SUCCEEDED")
    client.patch(action, status_message="never started")
    client.patch(action, state="SKIPPED")
    client.ask("GET", action)
