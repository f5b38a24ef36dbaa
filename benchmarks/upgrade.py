# SPDX-License-Identifier: Apache-2.0
"""How long writers stand still while a database of Watcher is upgraded.

``python -m benchmarks.upgrade --database URL --audits 200000 --writers 3`` fills an empty
database, and upgrades it while others update and insert audits, and one reads in transactions
of five seconds. What it prints is JSON; times are in seconds.
"""

import argparse
import contextlib
import itertools
import json
import sys
import threading
import time
import uuid
from concurrent import futures

import sqlalchemy as sa

from tests import population
from watcher_objects import db
from watcher_objects.db import migration

FOREIGN_HEAD = "f56ba02662b4"
#: How long a transaction of the reader lasts, and how long it is until the next.
READS, PAUSE = 5, 1


def audit(name):
    """Return a row that Watcher could have stored."""
    return {
        "uuid": str(uuid.uuid4()),
        "name": f"audit {name}",
        "audit_type": "ONESHOT",
        "state": "PENDING",
        "goal_id": 1,
        "parameters": '{"limit": 0.5}',
        "auto_trigger": False,
        "force": False,
        "created_at": population.MOMENT,
        "deleted": 0,
    }


def build(url, is_foreign):
    """Bring an empty database to the head of Watcher's chain, by it or by ours."""
    chain = migration
    if is_foreign:
        from oslo_config import cfg
        from watcher.db.sqlalchemy import migration as chain

        cfg.CONF([], project="watcher")
        cfg.CONF.set_override("connection", url, group="database")
    chain.upgrade(FOREIGN_HEAD)


def fill(audits):
    """Store a row in every table, and many audits."""
    for table in population.tables():
        if table.name != "audits":
            population.fill(table, (1,))
            continue
        # An older Watcher left it empty.
        rows = [audit(n) | {"force": None if n % 2 else False} for n in range(audits)]
        with db.get_engine().connect() as connection:
            connection.execute(sa.insert(table), rows)


class Others:
    """The processes that use the database during the upgrade."""

    def __init__(self, url, writers, audits):
        self.engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", pool_size=writers + 1)
        self.table = next(table for table in population.tables() if table.name == "audits")
        self.audits, self.writers = audits, writers
        self.stop, self.writes, self.longest, self.errors = threading.Event(), 0, 0.0, []

    @contextlib.contextmanager
    def at_work(self):
        """Run the processes inside of a ``with`` block."""
        with futures.ThreadPoolExecutor(self.writers + 1) as pool:
            works = [pool.submit(self._write, number) for number in range(self.writers)]
            works.append(pool.submit(self._read))
            try:
                yield
            finally:
                self.stop.set()
        self.engine.dispose()
        self.errors = [repr(error) for work in works if (error := work.exception())]

    def _read(self):
        with self.engine.connect() as connection:
            while not self.stop.wait(PAUSE):
                connection.exec_driver_sql("BEGIN")
                connection.execute(sa.select(sa.func.count()).select_from(self.table)).scalar()
                self.stop.wait(READS)
                connection.exec_driver_sql("COMMIT")

    def _write(self, writer):
        ident = self.table.c.id
        with self.engine.connect() as connection:
            for number in itertools.takewhile(lambda _: not self.stop.is_set(), itertools.count()):
                mine = ident == 1 + (writer + number * self.writers) % self.audits
                statement = sa.update(self.table).where(mine).values(status_message=str(number))
                if number % 5 == 4:
                    statement = sa.insert(self.table).values(audit(f"{number} of {writer}"))
                begun = time.monotonic()
                connection.execute(statement)
                self.longest = max(self.longest, time.monotonic() - begun)
                self.writes += 1


def measure(url, options):
    """Return what an upgrade of the empty database at a URL shows."""
    build(url, options.foreign)
    fill(options.audits)
    others, took = Others(url, options.writers, options.audits), {}
    with others.at_work():
        for step in migration.plan():
            begun = time.monotonic()
            migration.upgrade(step.revision)
            took[step.revision] = round(time.monotonic() - begun, 1)
    measured = {"revisions": took, "longest": round(others.longest, 2), "writes": others.writes}
    return {**measured, "errors": others.errors, "differences": len(population.differences())}


def main():
    """Measure on the database that is named, and print it."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--database", required=True, help="the URL of an empty database")
    add("--audits", type=int, default=200_000)
    add("--writers", type=int, default=3)
    add("--foreign", action="store_true", help="built by Watcher's own chain")
    options = parser.parse_args()
    db.configure(options.database)
    if sa.inspect(db.get_engine()).get_table_names():
        sys.exit("The database is not empty: name another")
    print(json.dumps(measure(db.get_engine().url, options), indent=2))


if __name__ == "__main__":
    main()
