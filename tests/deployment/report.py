# SPDX-License-Identifier: Apache-2.0
"""What a deployment has answered, and its states, notifications and logs afterwards."""

import json
import re
from collections import Counter, defaultdict
from contextlib import suppress
from typing import NamedTuple

import kombu

from tests.deployment import scenario
from tests.deployment.deployment import TOPIC

_PREFIX = re.compile(r"^\d{4}-\S+ \S+ \d+ (ERROR|CRITICAL) (\S+) ?")
_EXCEPTION = re.compile(r"^((?:\w+\.)*[A-Z]\w+)(: |$)")

#: The audits whose notifications have no fixed number.
_UNCOUNTED = (f"audit {scenario.DURING_RESTART}", f"audit {scenario.CONTINUOUS}")


class Notification(NamedTuple):
    """A versioned notification: of which object it is, and which states it has."""

    event: str
    uuid: str
    name: str
    old_state: str
    state: str


class Report(NamedTuple):
    """What the scenario has shown of a deployment."""

    facts: dict[str, str]
    errors: dict[str, int]
    notifications: list[Notification]
    wrong_old_states: int
    run_twice: dict[str, int]
    calls: int
    failed_calls: int
    failures: int
    memory: dict[str, int]
    latency: dict[str, tuple[int, float, float]]


def of(deployment):
    """Run the scenario on a deployment that is running, and return its report."""
    calls, failed_calls = scenario.run(deployment)
    sent = notifications(deployment)
    return Report(
        facts=answers(deployment.client) | states(deployment.client) | sequences(sent),
        errors=errors(deployment),
        notifications=sent,
        wrong_old_states=wrong_old_states(sent),
        run_twice=run_twice(sent),
        calls=calls,
        failed_calls=failed_calls,
        failures=sum(s.failures for s in deployment.services.values()),
        memory={name: service.memory() for name, service in deployment.services.items()},
        latency=deployment.client.latency(),
    )


def answers(client):
    """Return the status and the content of each answer, by its step and its request."""
    found, seen = {}, Counter()
    for answer in client.answers:
        request = f"{answer.step}: {answer.request}"
        seen[request] += 1
        found[f"{request} #{seen[request]}"] = f"{answer.status} {answer.content}"
    return found


def states(client):
    """Return the states of each audit, of its plans and of their actions."""
    found = {}
    for audit in _listed(client, "audits"):
        if not audit["name"].startswith(scenario.DURING_RESTART):
            plans = _listed(client, f"action_plans?audit_uuid={audit['uuid']}")
            texts = [audit["state"], *(_plan(client, plan) for plan in plans)]
            found[f"audit {audit['name']}"] = "; ".join(texts)
    return found


def _listed(client, query):
    return client.send("GET", f"/v1/{query}").json()[query.partition("?")[0]]


def _plan(client, plan):
    actions = _listed(client, f"actions?action_plan_uuid={plan['uuid']}")
    return f"{plan['state']}: {', '.join(sorted(action['state'] for action in actions))}"


def notifications(deployment):
    """Return the notifications in the order in which they were sent."""
    sent = []
    with kombu.Connection(deployment.broker.address().replace("rabbit:", "amqp:")) as connection:
        for priority in ("info", "warning", "error"):
            channel = connection.channel()
            with suppress(connection.channel_errors):  # none has this priority
                while message := channel.basic_get(f"{TOPIC}.{priority}", no_ack=True):
                    body = json.loads(json.loads(message.body)["oslo.message"])
                    sent.append((body["timestamp"], _notification(body)))
    return [notification for _, notification in sorted(sent)]


def _notification(body):
    data = body["payload"]["watcher_object.data"]
    update = (data.get("state_update") or {}).get("watcher_object.data", {})
    return Notification(
        body["event_type"],
        data.get("uuid", ""),
        data.get("name") or "",
        update.get("old_state") or "",
        update.get("state") or data.get("state") or "",
    )


def sequences(sent):
    """Return the notifications of each audit, and the kinds of sequences of plans and actions."""
    of_object, names, found = defaultdict(list), {}, defaultdict(set)
    for notification in sent:
        resource = notification.event.partition(".")[0]
        name = names.setdefault(notification.uuid, f"{resource} {notification.name}".strip())
        if not name.startswith(_UNCOUNTED):
            of_object[notification.uuid].append(f"{notification.event} {notification.state}")
    for uuid, sequence in of_object.items():
        found[f"notifications of {names[uuid]}"].add(", ".join(sequence))
    return {name: "; ".join(sorted(texts)) for name, texts in found.items()}


def wrong_old_states(sent):
    """Count the updates whose old state is not the one that was notified last."""
    last, wrong = {}, 0
    for notification in sent:
        if notification.event.endswith((".create", ".update")):
            if notification.old_state not in ("", last.get(notification.uuid)):
                wrong += 1
            last[notification.uuid] = notification.state
    return wrong


def run_twice(sent):
    """Return how often audits have begun that are to run once, if more often."""
    begun = Counter(n.name for n in sent if n.event == "audit.strategy.start")
    several = (scenario.CONTINUOUS, scenario.EVENT)
    return {name: n for name, n in begun.items() if n > 1 and name not in several}


def errors(deployment):
    """Count the exceptions whose tracebacks are in the logs, and the other errors."""
    found = Counter()
    for service in deployment.services.values():
        in_traceback = False
        for line in service.log.read_text(errors="replace").splitlines():
            prefix = _PREFIX.match(line)
            text = line[prefix.end() :] if prefix else line
            if "Traceback (most recent call last)" in text:
                in_traceback = True
            elif in_traceback and (exception := _EXCEPTION.match(text)):
                in_traceback = False
                found[f"{service.name}: {exception[1].rpartition('.')[2]}"] += 1
            elif prefix and not in_traceback:
                found[f"{service.name}: logged by {prefix[2]}"] += 1
    return dict(sorted(found.items()))
