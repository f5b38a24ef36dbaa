# SPDX-License-Identifier: Apache-2.0
"""What operators and their clients do to Watcher, in steps that one deployment runs in order.

A request through ``ask`` is compared with the same request to another deployment; states that a
resource only passes through are read by ``reach`` and ``value``, which are not compared.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.deployment import rejections
from tests.deployment.client import ENDED
from tests.deployment.rejections import UNKNOWN

#: What the applier changes in a plan that is being started.
BY_APPLIER = ("hostname", "state", "updated_at")
#: Seconds in which a service has sent the notifications of what it has just stored.
NOTIFIED = 2
#: The audits that run several times, and the beginning of the names of those whose number varies.
CONTINUOUS, EVENT, DURING_RESTART = "continuous", "event", "restart-"
#: The engine asks Nova for aggregates during such an audit, so a frozen Nova suspends it.
EVERY_AGGREGATE = [{"compute": [{"host_aggregates": [{"id": "*"}]}]}]
#: The engine rejects these aggregates during the audit.
WRONG_AGGREGATES = [{"compute": [{"host_aggregates": [{"id": "*"}, {"id": 1}]}]}]
#: The shortest plan that the dummy strategy makes.
SHORT = {"para1": 1.0, "para2": "hello"}


def run(deployment):
    """Run all steps, and return how many calls the last one made, and how many failed."""
    for step in STEPS:
        deployment.client.step = step.__name__
        outcome = step(deployment)
    return outcome


def read(deployment):
    """Read what an engine offers when it has started."""
    ask = deployment.client.ask
    for path in ("/", "/v1/", "/v1/goals/dummy", "/v1/strategies/dummy", "/v1/scoring_engines"):
        ask("GET", path)
    for kind in ("goals", "strategies"):
        ask("GET", f"/v1/{kind}?sort_key=name&limit=3")
        ask("GET", f"/v1/{kind}/detail?sort_key=name&sort_dir=desc")
    ask("GET", "/v1/strategies?goal=dummy&sort_key=name")
    ask("GET", "/v1/strategies/dummy/state")
    ask("GET", "/v1/services?sort_key=name")
    ask("GET", "/v1/data_model?data_model_type=compute")


def template(deployment):
    """Create, read, change and delete an audit template, and create an audit of it."""
    client = deployment.client
    body = {"name": "nightly", "goal": client.value("/v1/goals/dummy", "uuid")}
    client.ask("POST", "/v1/audit_templates", body)
    client.ask("POST", "/v1/audit_templates", body)
    client.ask("POST", "/v1/audit_templates", {"name": "lost", "goal": UNKNOWN})
    client.ask("GET", "/v1/audit_templates/nightly")
    client.ask("GET", "/v1/audit_templates?goal=dummy")
    client.patch("/v1/audit_templates/nightly", description="every night")
    client.patch("/v1/audit_templates/nightly", goal=UNKNOWN)
    client.patch("/v1/audit_templates/nightly", uuid=UNKNOWN)
    uuid = client.value("/v1/audit_templates/nightly", "uuid")
    created = {"name": "of-nightly", "audit_type": "ONESHOT", "audit_template_uuid": uuid}
    path = f"/v1/audits/{client.ask('POST', '/v1/audits', created)['uuid']}"
    client.reach(path, "SUCCEEDED")
    client.ask("DELETE", "/v1/audit_templates/nightly")
    client.ask("GET", "/v1/audit_templates/nightly")
    client.ask("DELETE", "/v1/audit_templates/nightly")


def oneshot(deployment):
    """Run an audit once, and delete it."""
    client = deployment.client
    path = client.audit("once")
    client.reach(path, "SUCCEEDED")
    client.ask("GET", path)
    client.ask("GET", "/v1/audits/once")
    (plan,) = client.plans(client.value(path, "uuid"))
    client.ask("GET", f"/v1/action_plans/{plan}")
    client.ask("GET", f"/v1/actions/detail?action_plan_uuid={plan}&sort_key=action_type")
    client.ask("POST", "/v1/audits", {"name": "once", "audit_type": "ONESHOT", "goal": "dummy"})
    client.ask("DELETE", path)
    client.ask("GET", path)
    client.ask("DELETE", path)


def failed(deployment):
    """Run an audit that the strategy cannot finish."""
    client = deployment.client
    path = client.scoped("failed", WRONG_AGGREGATES)
    client.reach(path, "FAILED")
    client.ask("GET", path)
    client.patch(path, state="ONGOING")


def continuous(deployment):
    """Run an audit every two seconds, and cancel it after its second run."""
    client = deployment.client
    path = client.audit(CONTINUOUS, audit_type="CONTINUOUS", interval="2")
    uuid = client.value(path, "uuid")
    client.until(lambda: len(client.plans(uuid)) >= 2, "runs twice")
    client.patch(path, interval="3")
    client.ask("DELETE", path)
    client.patch(path, state="CANCELLED")
    client.patch(path, state="ONGOING")
    client.ask("DELETE", path)


def event(deployment):
    """Start an audit by its webhook, twice, and once more if that is possible."""
    client = deployment.client
    path = client.audit(EVENT, audit_type="EVENT")
    uuid = client.value(path, "uuid")
    client.ask("POST", f"/v1/webhooks/{uuid}", {})
    client.reach(path, "SUCCEEDED")
    client.ask("POST", f"/v1/webhooks/{uuid}", {})
    client.until(lambda: len(client.plans(uuid)) == 2, "runs twice")
    time.sleep(1)
    client.ask("GET", path)
    rejected = client.ask("POST", f"/v1/webhooks/{uuid}", {})
    client.until(lambda: rejected or len(client.plans(uuid)) == 3, "runs once more")
    client.ask("POST", f"/v1/webhooks/{UNKNOWN}", {})


def plan(deployment):
    """Start action plans in both ways, and delete one that has finished."""
    client = deployment.client
    path = client.planned("patched", parameters=SHORT)
    client.patch(path, passing=BY_APPLIER, state="PENDING")
    client.reach(path, "SUCCEEDED")
    client.ask("GET", path)
    client.patch(path, state="PENDING")
    client.ask("GET", f"/v1/actions?action_plan_uuid={path.rpartition('/')[2]}")
    started = client.planned("started", parameters=SHORT)
    client.ask("POST", f"{started}/start", passing=BY_APPLIER)
    client.reach(started, "ONGOING")
    client.ask("DELETE", started)
    client.reach(started, "SUCCEEDED")
    client.ask("POST", f"{started}/start")
    client.ask("DELETE", started)
    client.ask("GET", started)


def plan_cancelled(deployment):
    """Cancel an action plan before it has started, and another one during an action."""
    client = deployment.client
    path = client.planned("unwanted")
    client.patch(path, state="CANCELLED")
    client.ask("GET", f"/v1/actions?action_plan_uuid={path.rpartition('/')[2]}")
    client.patch(path, state="PENDING")
    for path in (
        client.planned("stopped-in-its-last-action", parameters=SHORT | {"para1": 2.0}),
        client.planned("stopped", strategy="dummy_with_resize"),
    ):
        uuid = path.rpartition("/")[2]
        client.ask("POST", f"{path}/start", passing=BY_APPLIER)
        client.until(lambda uuid=uuid: "sleep" in _ongoing(client, uuid), "sleeps")
        client.patch(path, state="CANCELLING")
        client.reach(path, *ENDED)
        client.ask("GET", path)
        client.ask("GET", f"/v1/actions?action_plan_uuid={uuid}")


def _ongoing(client, plan):
    actions = client.send("GET", f"/v1/actions?action_plan_uuid={plan}").json()["actions"]
    return [action["action_type"] for action in actions if action["state"] == "ONGOING"]


def audit_cancelled(deployment):
    """Cancel an audit while an engine runs it."""
    client = deployment.client
    deployment.cloud.freeze()
    path = client.scoped("cancelled", EVERY_AGGREGATE)
    client.reach(path, "ONGOING")
    time.sleep(NOTIFIED)
    client.ask("DELETE", path)
    client.patch(path, state="CANCELLED")
    deployment.cloud.thaw()
    client.until(lambda: client.plans(client.value(path, "uuid")), "its engine has finished")
    time.sleep(2)  # time to save the state as well
    client.ask("GET", path)


def engine_killed(deployment):
    """Kill an engine during an audit, start it again, and run another audit."""
    client = deployment.client
    deployment.cloud.freeze()
    path = client.scoped("interrupted", EVERY_AGGREGATE)
    client.reach(path, "ONGOING")
    time.sleep(NOTIFIED)
    deployment.engine.kill()
    deployment.cloud.thaw()
    deployment.engine.start()
    client.reach(path, *ENDED)
    client.ask("GET", path)
    path = client.audit("after-the-kill")
    client.reach(path, "SUCCEEDED")


def database_restarted(deployment):
    """Restart the database server while clients list, read and create audits.

    Return how many calls they made, and how many failed.
    """
    client = deployment.client
    path = client.audit("read-during-the-restart", audit_type="EVENT")
    with ThreadPoolExecutor() as pool:
        ended = []
        calls = [pool.submit(_calls, client, path, n, ended) for n in range(3)]
        time.sleep(1)
        deployment.restart_database()
        time.sleep(2)
        ended.append(True)
        statuses = [status for call in calls for status in call.result()]
    return len(statuses), sum(status >= 500 for status in statuses)


def _calls(client, path, thread, ended):
    statuses, number = [], 0
    while not ended:
        number += 1
        name = f"{DURING_RESTART}{thread}-{number}"
        body = {"name": name, "audit_type": "EVENT", "goal": "dummy"}
        for request in (("GET", "/v1/audits"), ("GET", path), ("POST", "/v1/audits", body)):
            statuses.append(client.send(*request).status_code)
    return statuses


STEPS = (
    read,
    template,
    oneshot,
    failed,
    continuous,
    event,
    plan,
    plan_cancelled,
    rejections.requests,
    rejections.changes,
    audit_cancelled,
    engine_killed,
    database_restarted,
)
