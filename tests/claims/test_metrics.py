# SPDX-License-Identifier: Apache-2.0
"""The metrics, as Prometheus gets them."""

import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.claims.test_claims import expire, waiting
from watcher_objects import Action, Audit, Worker, claims, db
from watcher_objects.claims import metrics


@pytest.fixture
def worker(database, context):
    with Worker(context, host="host-1") as one:
        yield one


def numbers(page):
    """The values of a page, by name and label."""
    lines = (line for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def fetched(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return numbers(answer.read().decode())


def test_each_number_is_a_gauge(worker, context):
    for cls in (Audit, Audit, Action):
        waiting(cls, context)
    claims.claim_next(context, Action)
    claims.claim_next(context, Audit).give_back()
    found = fetched(metrics.serve(0))
    names = [f"watcher_objects_{name}" for name, _ in metrics.GAUGES.values()]
    classes = ("Audit", "ActionPlan", "Action")
    labels = [f'{name}{{object="{cls}"}}' for name in names for cls in classes]
    workers = [f'watcher_objects_workers{{status="{status}"}}' for status in ("alive", "dead")]
    assert found.keys() == {"watcher_objects_up", *labels, *workers}
    assert 0 < found.pop('watcher_objects_oldest_waiting_seconds{object="Audit"}') < 60
    # The action's own audit waits, too.
    assert {name: value for name, value in found.items() if value} == {
        "watcher_objects_up": 1,
        'watcher_objects_waiting{object="Audit"}': 2,
        'watcher_objects_running{object="Action"}': 1,
        'watcher_objects_abandoned{object="Audit"}': 1,
        'watcher_objects_workers{status="alive"}': 1,
    }
    expire(worker)
    found = fetched(metrics.serve(0))
    assert found['watcher_objects_abandoned{object="Action"}'] == 1
    assert found['watcher_objects_workers{status="dead"}'] == 1


def test_a_registry_reads_the_database_only_for_a_page(database, statements):
    registry = CollectorRegistry()
    registry.register(metrics.Collector())
    assert statements == []
    generate_latest(registry)
    assert len(statements) == 4


def test_without_a_database_there_is_a_page(sqlite):
    port = metrics.serve(0)
    assert fetched(port)["watcher_objects_up"] == 1
    db.dispose()
    assert fetched(port) == {"watcher_objects_up": 0}


def test_the_database_is_that_of_the_collectors_block(sqlite, tmp_path, new_file, context):
    waiting(Audit, context)
    other = db.Database(new_file(tmp_path / "other.sqlite"))
    with other.use():
        registry = CollectorRegistry()
        registry.register(metrics.Collector())
    page = numbers(generate_latest(registry).decode())
    assert page['watcher_objects_waiting{object="Audit"}'] == 0
    other.dispose()
