# SPDX-License-Identifier: Apache-2.0
"""Which indexes the lists of audits are read from, as each database explains it."""

import datetime
import functools
import itertools

import pytest
import sqlalchemy as sa

from tests import factory
from watcher_objects import Audit, Worker, claims, db
from watcher_objects.db import models

EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mysql": "EXPLAIN"}
#: PostgreSQL would rather read and sort so few rows as there are here.
UNSORTED = {"postgresql": ("SET enable_seqscan = off", "SET enable_sort = off")}
NEVER = datetime.datetime(2099, 1, 1)


@pytest.fixture
def audits(database, context):
    """Audits on ten hosts; so many that MariaDB never thinks reading all of them cheaper."""
    one = factory.built(Audit, context, hostname=None)
    made = []
    for number in range(3000 if database == "mysql" else 500):
        made.append(one.obj_clone())
        made[-1].obj_set_defaults()
        made[-1].hostname, made[-1].name = f"host-{number % 10}", f"indexed-{number}"
    Audit.create_many(context, made)
    analyze()
    return made


def analyze():
    """Have the database look at what is in the table."""
    with db.get_engine().connect() as connection:
        name = db.get_engine().dialect.name
        connection.exec_driver_sql("ANALYZE TABLE audits" if name == "mysql" else "ANALYZE")


@pytest.fixture
def plan_of(database):
    """A function that returns how the database would run the statement that a call sends."""
    sent = []

    def note(connection, cursor, statement, parameters, *rest):
        if statement not in ("BEGIN", "START TRANSACTION", "COMMIT"):
            sent.append((statement, parameters))

    def explained(call):
        sa.event.listen(db.get_engine(), "before_cursor_execute", note)
        call()
        sa.event.remove(db.get_engine(), "before_cursor_execute", note)
        statement, parameters = sent[-1]
        with db.get_engine().connect() as connection:
            for setting in UNSORTED.get(database, ()):
                connection.exec_driver_sql(setting)
            rows = connection.exec_driver_sql(f"{EXPLAIN[database]} {statement}", parameters)
            plan = "\n".join(str(row) for row in rows)
            connection.invalidate()
        return plan

    return explained


def test_a_sorted_page_is_read_from_its_index(audits, context, plan_of):
    keys = ("name", "hostname", "created_at")
    for key, marker, way in itertools.product(keys, (None, audits[250]), ("asc", "desc")):
        order = {"limit": 10, "sort_key": key, "sort_dir": way, "marker": marker}
        plan = plan_of(lambda order=order: Audit.list(context, **order))
        # The unique key of names has them in their order, too.
        assert f"ix_audits_{key}" in plan or f"uniq_audits0{key}" in plan


def test_a_filter_is_read_from_its_index(audits, context, plan_of):
    factory.forget_owners()
    rare = factory.stored(Audit, context, state="FAILED", hostname="alone")
    for field in ("state", "hostname", "goal_id", "strategy_id"):
        wanted = {field: rare[field]}
        plan = plan_of(lambda wanted=wanted: Audit.list(context, limit=10, filters=wanted))
        assert f"ix_audits_{field}" in plan


@pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
def test_rows_of_one_state_are_found_also_where_they_are_the_newest(audits, context, plan_of):
    with db.get_engine().connect() as connection:
        newest = len(audits) * 19 // 20
        connection.exec_driver_sql(f"UPDATE audits SET state = 'ONGOING' WHERE id > {newest}")
    ongoing = functools.partial(Audit.list, context, filters={"state": "ONGOING"}, limit=10)
    assert "ix_audits_state" in plan_of(ongoing)
    assert "ix_audits_state" in plan_of(lambda: ongoing(marker=ongoing()[-1]))


@pytest.fixture
def worker(audits, context):
    """A worker among audits that are between the runs of continuous ones, and a claim each."""
    with Worker(context) as one:
        table = models.audits
        between_runs = {"state": "ONGOING", "attempts": 0, "next_run_time": NEVER}
        with db.get_engine().begin() as connection:
            connection.execute(sa.update(table).values(between_runs))
            is_claimed = sa.update(table).where(table.c.id % 50 == 0)
            connection.execute(is_claimed.values(worker_id=one.id))
        analyze()
        yield one


def test_running_audits_are_found_by_their_workers(worker, audits, plan_of):
    for call in (
        functools.partial(claims.due, Audit),
        functools.partial(claims.take_over, Audit),
        functools.partial(worker.beat, ["Audit"]),
    ):
        assert "ix_audits_worker_id" in plan_of(call)


@pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
def test_claims_begin_after_the_last_one(audits, context, plan_of):
    with Worker(context) as worker:
        after = audits[100].id
        plan = plan_of(lambda: worker.claim("Audit", "waiting", 1, None, after))
        assert "ix_audits_state" in plan
        assert f"ROW((state)::text, id) > ROW('PENDING'::text, {after})" in plan
