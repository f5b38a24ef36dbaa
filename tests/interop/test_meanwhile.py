# SPDX-License-Identifier: Apache-2.0
"""Watcher's own services at work while our chain runs."""

import time
import uuid

import pytest
import sqlalchemy as sa
from watcher_objects.migrations import session

from tests import population
from tests.interop import process
from tests.interop.conftest import MODELS
from watcher_objects.db import migration

ROWS = 2000
#: How often Watcher, which does not try again, may lose to a lock. MariaDB ends a transaction that
#: writes what it has read, if a step waits for its table by then; on SQLite an upgrade is one
#: transaction, so that it is often.
LOST = {"postgresql": 0, "mysql": 20}

WORK = """
report = {"written": {}, "deleted": [], "refused": 0, "longest": 0}
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
goal = objects.Goal.list(context)[0]
old = objects.Audit.list(context, eager=True, limit=200, sort_key="id")

def work(number):
    audit = old[number % 100]
    if sys.argv[2] == "create" and number % 2:
        audit = objects.Audit(context, name=f"theirs {number}", audit_type="ONESHOT",
                              goal_id=goal.id, parameters={"n": number}, scope=[])
        audit.create()
    audit.status_message = str(number)
    audit.save()
    report["written"][audit.uuid] = audit.status_message
    listed = objects.Audit.list(context, eager=True, limit=5, sort_key="id", sort_dir="desc")
    assert len(listed) == 5
    if number % 10 == 0 and number < 1000:
        gone = old[100 + number // 10]
        gone.state = "CANCELLED"
        gone.save()
        gone.soft_delete()
        report["deleted"].append(gone.uuid)

number = 0
while not stop.is_set():
    begun = time.monotonic()
    number += 1
    try:
        work(number)
    except Exception as error:
        if not any(lost in str(error) for lost in ("database is locked", "(1213, ")):
            raise
        report["refused"] += 1
    report["longest"] = max(report["longest"], time.monotonic() - begun)
    if number == 10:
        # It has also deleted.
        print("ready", flush=True)
print(json.dumps(report))
"""


def fill():
    """Store a row in every table, and many audits."""
    for table in population.tables():
        population.fill(table, (1,))
    audits = next(table for table in population.tables() if table.name == "audits")
    common = {"audit_type": "ONESHOT", "goal_id": 1, "auto_trigger": False, "deleted": 0}
    common |= {"state": "PENDING", "force": False, "parameters": "{}", "scope": "[]"}
    rows = [
        {**common, "id": number, "uuid": str(uuid.uuid4()), "name": f"old {number}"}
        for number in range(2, ROWS)
    ]
    population.run(sa.update(audits).values(uuid=str(uuid.uuid4())))
    population.run(sa.insert(audits).values(rows))
    if audits.c.id.server_default is not None:
        population.run(sa.text(f"SELECT setval('audits_id_seq', {ROWS})"))


@pytest.fixture(params=["our chain", "Watcher's"])
def works(request, empty, build, monkeypatch):
    """What Watcher can do on a configured database at its head: on PostgreSQL not create."""
    kind = sa.make_url(empty).get_backend_name()
    if request.param == "our chain":
        migration.upgrade(population.FOREIGN_HEAD)
    else:
        # Its chain does not come that far on SQLite.
        build(MODELS if kind == "sqlite" else population.FOREIGN_HEAD)
    fill()
    # So that it takes seconds.
    monkeypatch.setattr(session, "BATCH", 20)
    creates = kind != "postgresql" or request.param == "our chain"
    return "create" if creates else "change"


def test_watcher_goes_on_without_an_error_and_loses_nothing(empty, works):
    started = process.start(WORK, empty, works)
    assert started.stdout.readline() == "ready\n"
    time.sleep(0.5)
    migration.upgrade()
    migration.downgrade(population.FOREIGN_HEAD)
    migration.upgrade()
    time.sleep(0.5)
    report = process.ended(started)
    assert report["written"]
    assert report["deleted"]
    assert population.differences() == []
    audits = {row.uuid: row for row in population.run(sa.text("SELECT * FROM audits"))}
    assert {key: audits[key].status_message for key in report["written"]} == report["written"]
    assert all(audits[key].state == "DELETED" and audits[key].deleted for key in report["deleted"])
    assert report["refused"] <= LOST.get(sa.make_url(empty).get_backend_name(), report["refused"])
    assert report["longest"] < 5
