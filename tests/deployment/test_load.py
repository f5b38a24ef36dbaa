# SPDX-License-Identifier: Apache-2.0
"""Several engines, a broker that closes connections, and services that are replaced at work."""

import threading
from contextlib import contextmanager

import pytest

from tests.chaos.tiers import long
from tests.deployment import report
from tests.deployment.client import ENDED
from tests.deployment.deployment import RELEASE

pytestmark = long
AUDITS = 40


@pytest.fixture(params=["mariadb", "postgresql"])
def kind(request):
    """A kind of database server."""
    return request.param


def created(client, name):
    """Create an audit that runs whatever else does, and return the status and its path."""
    body = {"name": name, "audit_type": "ONESHOT", "goal": "dummy", "force": True}
    response = client.send("POST", "/v1/audits", body)
    return response.status_code, f"/v1/audits/{response.json().get('uuid')}"


def begun(deployment):
    """Return how often each audit has begun."""
    sent = report.notifications(deployment)
    names = [n.name for n in sent if n.event == "audit.strategy.start"]
    return {name: names.count(name) for name in names}


def test_two_engines_run_each_audit_once(deployed, kind):
    with deployed(ours=True, database=kind, engines=2) as deployment:
        client = deployment.client
        deployment.cloud.freeze()
        paths = [
            client.scoped(f"audit-{n}", report.scenario.EVERY_AGGREGATE) for n in range(AUDITS)
        ]
        uuids = [path.rpartition("/")[2] for path in paths]
        deployment.announce(*uuids)
        deployment.cloud.thaw()
        assert [client.reach(path, *ENDED) for path in paths] == ["SUCCEEDED"] * AUDITS
        assert begun(deployment) == {f"audit-{n}": 1 for n in range(AUDITS)}
        assert [len(client.plans(uuid)) for uuid in uuids] == [1] * AUDITS


def test_closed_connections_lose_no_audit(deployed, kind):
    with deployed(ours=True, database=kind) as deployment:
        client = deployment.client
        answers = []
        for number in range(AUDITS):
            answers.append(created(client, f"audit-{number}"))
            if number % 10 == 5:
                deployment.broker.close_connections()
        assert {status for status, _ in answers} == {201}
        assert {client.reach(path, *ENDED) for _, path in answers} == {"SUCCEEDED"}
        assert begun(deployment) == {f"audit-{n}": 1 for n in range(AUDITS)}


@contextmanager
def traffic(client):
    """Create audits throughout a block, and yield the list of their statuses and paths."""
    answers, ended = [], threading.Event()

    def create():
        while not ended.wait(0.3):
            answers.append(created(client, f"audit-{len(answers)}"))

    thread = threading.Thread(target=create)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def check_work(client, continuous, name):
    """Check that an audit goes on running, and that a plan is executed."""
    runs = len(client.plans(continuous))
    client.until(lambda: len(client.plans(continuous)) > runs + 1, f"runs on: {name}")
    plan = client.planned(f"plan-{name}", parameters={"para1": 1.0}, force=True)
    client.patch(plan, state="PENDING")
    client.reach(plan, "SUCCEEDED")


def test_services_are_replaced_one_by_one_and_back(deployed, kind):
    with deployed(ours=False, database=kind, engines=2) as deployment:
        client = deployment.client
        continuous = client.audit("continuous", audit_type="CONTINUOUS", interval="1", force=True)
        uuid = client.value(continuous, "uuid")
        deployment.upgrade()
        # Watcher's own migrations leave a number in this column on PostgreSQL.
        client.audit("yearly", audit_type="CONTINUOUS", interval="0 0 1 1 *")
        with traffic(client) as answers:
            for ours in (True, False):
                for name in deployment.services:
                    deployment.replace(name, ours=ours)
                    check_work(client, uuid, f"{name}-{ours}")
        deployment.downgrade()
        check_work(client, uuid, "downgraded")
        assert {status for status, _ in answers} == {201}
        # An engine of earlier releases loses what it has received when it is stopped.
        if RELEASE >= 17:
            assert {client.reach(path, *ENDED) for _, path in answers} == {"SUCCEEDED"}
        assert {n for name, n in begun(deployment).items() if name != "continuous"} == {1}
