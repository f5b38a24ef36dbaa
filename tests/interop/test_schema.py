# SPDX-License-Identifier: Apache-2.0
"""Databases that Watcher's own migrations made, brought to our schema and handed back."""

import json
import subprocess
import sys

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext
from oslo_db.sqlalchemy import enginefacade
from watcher.db.sqlalchemy import migration as theirs

from tests import population, servers
from watcher_objects import Audit, Goal, db
from watcher_objects.db import migration

REVISIONS = [step.revision for step in migration.history() if len(step.revision) <= 12]
#: Watcher's chain fails on SQLite behind this one; what else there is, is made from its models.
LAST_ON_SQLITE = "0f6042416884"
MODELS = "models"
BEHIND = REVISIONS[REVISIONS.index(LAST_ON_SQLITE) + 1 :]


@pytest.fixture(params=servers.KINDS)
def empty(request, tmp_path):
    """The URL of a configured database with nothing in it, one of each kind."""
    with servers.scratch(request.param, tmp_path) as url:
        db.configure(url)
        yield url
        db.dispose()


@pytest.fixture
def build(empty, monkeypatch):
    """A function that lets Watcher make its schema: by its chain, or from its models."""
    engine = sa.create_engine(empty)
    monkeypatch.setattr(type(enginefacade.writer), "get_engine", lambda self: engine)
    yield (
        lambda revision: theirs.create_schema() if revision == MODELS else theirs.upgrade(revision)
    )
    engine.dispose()


@pytest.mark.parametrize("revision", [*REVISIONS, MODELS])
def test_a_database_of_any_revision_of_watcher_becomes_ours(empty, build, revision):
    if empty.startswith("sqlite") and revision in BEHIND:
        with pytest.raises(sa.exc.OperationalError):
            build(revision)
    else:
        build(revision)
    for table in population.tables():
        population.fill(table)
    before = population.contents()
    migration.upgrade()
    assert population.differences() == []
    population.same(before, population.contents())
    assert before.keys() <= population.contents().keys()


WATCHER = """
import json, sys, warnings
warnings.simplefilter("ignore")
from oslo_config import cfg
from watcher.db.sqlalchemy import migration
from watcher import objects
from watcher.common import context as watcher_context
import watcher.common.service
cfg.CONF([], project="watcher")
cfg.CONF.set_override("connection", sys.argv[1], group="database")
cfg.CONF.set_override("notification_level", None)
objects.register_all()
context = watcher_context.make_context()
audits = objects.Audit.list(context, eager=True)
for audit in audits:
    audit.interval = "*/7 * * * *"
    audit.save()
goal = objects.Goal.list(context)[0]
new = objects.Audit(context, name="theirs", audit_type="ONESHOT", goal_id=goal.id,
                    parameters={"a": [1, None]}, scope=[])
new.create()
print(json.dumps([audit.name for audit in audits]))
"""


def run_watcher(url):
    """Let Watcher's own objects read and write, in a process of their own."""
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", WATCHER, url], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("handed_back", [False, True])
def test_watcher_reads_and_writes_our_schema_and_what_we_hand_back(empty, handed_back):
    migration.upgrade()
    if handed_back:
        migration.downgrade("f56ba02662b4")
    context = RequestContext()
    goal = Goal(context, name="goal", display_name="Goal", efficacy_specification=[])
    goal.create()
    Audit(context, name="ours", audit_type="ONESHOT", goal=goal, parameters={"b": 1}).create()
    assert run_watcher(empty) == ["ours"]
    migration.upgrade()
    ours, theirs = Audit.list(context)
    assert (ours.name, ours.interval, ours.parameters) == ("ours", "*/7 * * * *", {"b": 1})
    assert (theirs.name, theirs.state, theirs.parameters) == (
        "theirs",
        "PENDING",
        {"a": [1, None]},
    )
