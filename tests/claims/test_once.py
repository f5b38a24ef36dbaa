# SPDX-License-Identifier: Apache-2.0
"""Several processes run all audits to their ends, each of them once."""

import sqlalchemy as sa

from tests import factory
from tests.chaos.tiers import LONG
from watcher_objects import Audit, Goal, Worker, claims, testing
from watcher_objects.db import models, transactions

PROCESSES, AUDITS = (8, 100_000) if LONG else (4, 400)
#: Audits that are created in one statement.
AT_ONCE = 1_000


def counted(*columns):
    """Return the number of rows by the values of columns of one table."""
    found = sa.select(*columns, sa.func.count()).group_by(*columns)
    return {tuple(row[:-1]): row[-1] for row in transactions.execute(found).rows}


def engine(context, batch, path):
    """Run audits until there are none, and write down which."""
    with Worker(context), path.open("w") as file:
        while leases := claims.claim_many(context, Audit, batch):
            for lease in leases:
                file.write(f"{lease.object.uuid}\n")
                lease.finish("SUCCEEDED")


def test_each_audit_is_run_once(database, context, tmp_path):
    goal = factory.stored(Goal, context)
    for begin in range(0, AUDITS, AT_ONCE):
        number = min(AT_ONCE, AUDITS - begin)
        Audit.create_many(
            context, [factory.built(Audit, context, goal_id=goal.id) for _ in range(number)]
        )
    paths = [tmp_path / f"{number}" for number in range(PROCESSES)]
    with testing.Workers() as workers:
        started = [
            workers.start(engine, context, (1, 10)[number % 2], path)
            for number, path in enumerate(paths)
        ]
        for process in started:
            process.join(3600)
    done = [path.read_text().splitlines() for path in paths]
    assert sum(map(bool, done)) > 1
    assert len({uuid for one in done for uuid in one}) == sum(map(len, done)) == AUDITS
    assert counted(models.audits.c.state, models.audits.c.moves) == {("SUCCEEDED", 3): AUDITS}
    kinds = dict.fromkeys((("create",), ("claim",), ("finish",)), AUDITS)
    assert counted(models.transitions.c.kind) == kinds
