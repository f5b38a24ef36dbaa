# SPDX-License-Identifier: Apache-2.0
"""A client of Watcher's REST API that records what it answers."""

import json
import re
import statistics
import time
from collections import defaultdict
from typing import NamedTuple

import requests

PATIENCE = 60
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_HEADERS = {
    "OpenStack-API-Version": "infra-optim latest",
    "X-Roles": "admin",
    "X-User-Id": "operator",
    "X-Project-Id": "operations",
}
#: What differs from one deployment to the next, and its name in a record.
_VARIABLE = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "<time>"),
    (r"http://127\.0\.0\.1:\d+", "<api>"),
)


def without_variables(text):
    """Return a text with names in place of uuids, times and addresses."""
    for pattern, name in _VARIABLE:
        text = re.sub(pattern, name, text)
    return text


class Answer(NamedTuple):
    """What the API has answered to a request of a step of the scenario."""

    step: str
    request: str
    status: int
    content: str


class Client:
    """Requests of an administrator to the API at a URL."""

    url: str

    def __init__(self):
        self.step = ""
        self.answers = []
        self.seconds = defaultdict(list)

    def send(self, method, path, body=None):
        """Return the response to a request that is timed, and not compared."""
        begun = time.perf_counter()
        response = requests.request(
            method, self.url + path, json=body, headers=_HEADERS, timeout=PATIENCE
        )
        kind = re.sub(r"^(/v1/\w+/)(?!detail).+", r"\1...", path.partition("?")[0])
        self.seconds[f"{method} {kind}"].append(time.perf_counter() - begun)
        return response

    def ask(self, method, path, body=None, *, passing=()):
        """Return the JSON of an answer, which is recorded for the comparison.

        :param passing: the values that a service may be changing in this moment
        """
        response = self.send(method, path, body)
        content = response.json() if response.content else None
        recorded = _fault(content) if response.status_code >= 400 else content
        if passing:
            recorded = recorded | dict.fromkeys(passing, "<passing>")
        text = json.dumps(recorded, indent=1, sort_keys=True)
        request = without_variables(f"{method} {path}")
        self.answers.append(
            Answer(self.step, request, response.status_code, without_variables(text))
        )
        return content

    def patch(self, path, passing=(), **changes):
        """Replace values of a resource."""
        patch = [{"op": "replace", "path": f"/{name}", "value": v} for name, v in changes.items()]
        return self.ask("PATCH", path, patch, passing=passing)

    def audit(self, name, **values):
        """Create an audit of the dummy strategy, and return its path."""
        body = {"name": name, "audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy"}
        return f"/v1/audits/{self.ask('POST', '/v1/audits', body | values)['uuid']}"

    def scoped(self, name, scope):
        """Create an audit with a scope, which only a template gives it, and return its path."""
        related = {"goal": "goals", "strategy": "strategies"}
        uuids = {key: self.value(f"/v1/{kind}/dummy", "uuid") for key, kind in related.items()}
        body = {"name": f"of-{name}", "scope": scope, **uuids}
        template = self.ask("POST", "/v1/audit_templates", body)["uuid"]
        return self.audit(name, audit_template_uuid=template, goal=None, strategy=None)

    def planned(self, name, **values):
        """Return the path of the plan of a new audit that has succeeded."""
        path = self.audit(name, **values)
        self.reach(path, "SUCCEEDED")
        (plan,) = self.plans(self.value(path, "uuid"))
        return f"/v1/action_plans/{plan}"

    def value(self, path, name="state"):
        """Return a value of a resource, now."""
        return self.send("GET", path).json().get(name)

    def reach(self, path, *states):
        """Wait until a resource is in one of the states, and return it."""
        return self.until(lambda: (state := self.value(path)) in states and state, path)

    def until(self, condition, what):
        """Wait until a condition is true, and return its value."""
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.step}: {what}")
            time.sleep(0.1)
        return value

    def plans(self, audit):
        """Return the uuids of an audit's action plans."""
        found = self.send("GET", f"/v1/action_plans?audit_uuid={audit}").json()
        return [plan["uuid"] for plan in found["action_plans"]]

    def latency(self):
        """Return per kind of request: how many, and the median and the longest in ms."""
        return {
            kind: (len(s), round(statistics.median(s) * 1000, 1), round(max(s) * 1000, 1))
            for kind, s in sorted(self.seconds.items())
        }


def _fault(content):
    fault = json.loads(content["error_message"])
    return fault.get("faultstring") or fault
