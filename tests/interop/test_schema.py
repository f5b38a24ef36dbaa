# SPDX-License-Identifier: Apache-2.0
"""Databases that Watcher's own migrations made, brought to our schema and handed back."""

import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import population
from tests.interop import process
from tests.interop.conftest import MODELS
from watcher_objects import Audit, Goal
from watcher_objects.db import migration

REVISIONS = [step.revision for step in migration.history() if len(step.revision) <= 12]
#: Watcher's chain fails on SQLite behind this one; what else there is, is made from its models.
LAST_ON_SQLITE = "0f6042416884"
BEHIND = REVISIONS[REVISIONS.index(LAST_ON_SQLITE) + 1 :]


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


CHANGE_AND_CREATE = """
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


@pytest.mark.parametrize("handed_back", [False, True])
def test_watcher_reads_and_writes_our_schema_and_what_we_hand_back(empty, handed_back):
    migration.upgrade()
    context = RequestContext()
    goal = Goal(context, name="goal", display_name="Goal", efficacy_specification=[])
    goal.create()
    Audit(context, name="ours", audit_type="ONESHOT", goal=goal, parameters={"b": 1}).create()
    if handed_back:
        migration.downgrade(population.FOREIGN_HEAD)
    assert process.ended(process.start(CHANGE_AND_CREATE, empty)) == ["ours"]
    migration.upgrade()
    ours, theirs = Audit.list(context)
    assert (ours.name, ours.interval, ours.parameters) == ("ours", "*/7 * * * *", {"b": 1})
    assert (theirs.name, theirs.state, theirs.parameters) == (
        "theirs",
        "PENDING",
        {"a": [1, None]},
    )
