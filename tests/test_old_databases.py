# SPDX-License-Identifier: Apache-2.0
"""Databases that releases of Watcher made with ``create_schema``, with what may be in them."""

import json

import pytest
import sqlalchemy as sa

from tests import old_schemas
from tests.chaos.tiers import long
from tests.population import differences, run, tables
from watcher_objects import ActionPlan, Audit, db
from watcher_objects.db import migration, models
from watcher_objects.db.migration.diagnostics import Need

ONE = {"name": "released_nodes_ratio", "value": 40.0, "unit": "%"}
STORED = ["{}", json.dumps(ONE), json.dumps([ONE]), "[]", None]
#: Options of tables as installations of that time have them.
OLD = {
    "mariadb": [
        {"mysql_row_format": "COMPACT", "mysql_default_charset": "utf8mb3"},
        {"mysql_row_format": "REDUNDANT", "mysql_default_charset": "latin1"},
        {"mysql_row_format": "COMPRESSED", "mysql_default_charset": "utf8mb4"},
    ]
}
#: What is tried always: with and without what the first and later releases lack.
ALWAYS = {"sqlite": ("1.0", "1.3", "1.6"), "postgresql": ("1.0", "3.0"), "mariadb": ("1.4", "3.0")}


def cases():
    for kind in ("sqlite", "postgresql", "mariadb"):
        for place, release in enumerate(old_schemas.REVISIONS):
            options = OLD.get(kind, [{}])
            marks = [] if release in ALWAYS[kind] else [long]
            yield pytest.param(
                kind, release, options[place % len(options)], marks=marks, id=f"{kind}-{release}"
            )


def store(name, /, **values):
    """Store a row in a table as it is, of whose columns it may lack some."""
    table = next(table for table in tables() if table.name == name)
    row = {key: value for key, value in values.items() if key in table.columns}
    run(sa.insert(table).values({"deleted": 0, **row}))


def fill():
    store("goals", id=1, uuid="g", name="g", display_name="g", efficacy_specification="[]")
    store("strategies", id=1, uuid="s", name="s", display_name="s", goal_id=1)
    for number in (1, 2, 3):
        audit = {"audit_type": "ONESHOT", "state": "PENDING", "goal_id": 1, "auto_trigger": False}
        # Ids may be far apart.
        ident = number if number < 3 else 2_000_000_000
        store("audits", id=ident, uuid=f"a{number}", interval=None, force=False, **audit)
    for number, text in enumerate(STORED, 1):
        plan = {"audit_id": 1, "strategy_id": 1, "state": "SUCCEEDED", "global_efficacy": text}
        store("action_plans", id=number, uuid=f"p{number}", **plan)


def findings():
    return [(finding.need, finding.what) for finding in migration.check()]


@pytest.mark.parametrize(
    ("empty_database", "release", "options"), [*cases()], indirect=["empty_database"]
)
def test_a_database_of_each_release_is_upgraded_as_predicted(
    empty_database, release, options, context
):
    old_schemas.create(release, **options)
    fill()
    expected = {"rows of action_plans with one JSON object as global_efficacy: 2"}
    if "audits@name" in columns():
        expected.add("rows of audits with no name: 3")
    if "apscheduler_jobs@id" not in columns() and old_schemas.REVISIONS[release] != "001":
        expected.add("the table apscheduler_jobs is missing")
    if options.get("mysql_row_format") in ("COMPACT", "REDUNDANT"):
        expected.add(f"the row format is Compact or Redundant of {', '.join(table_names())}")
    found = findings()
    assert {need for need, _ in found} == {Need.UPGRADE}
    assert {what for _, what in found if "older" not in what and "unique key" not in what} == (
        expected
    )
    migration.upgrade()
    assert differences() == []
    assert findings() == []
    efficacies = [plan.global_efficacy or [] for plan in ActionPlan.list(context)]
    assert efficacies == [[], [ONE], [ONE], [], []]
    assert len({audit.name for audit in Audit.list(context)}) == 3


def columns():
    return {f"{table.name}@{column.name}" for table in tables() for column in table.columns}


def table_names():
    return sorted(table.name for table in tables())


@pytest.mark.parametrize("empty_database", ["mariadb"], indirect=True)
def test_zero_dates_become_null(empty_database):
    old_schemas.create("1.6")
    fill()
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("SET sql_mode = ''")
        zero = (
            "UPDATE audits SET created_at = '0000-00-00', updated_at = '2017-00-00' WHERE id = 1"
        )
        connection.exec_driver_sql(zero)
        connection.invalidate()
    before = [what for _, what in findings() if "zero date" in what]
    assert before == [
        f"rows of audits with a zero date as {n}_at: 1" for n in ("created", "updated")
    ]
    migration.upgrade()
    (row,) = run(sa.select(models.audits).where(models.audits.c.id == 1))
    assert (row.created_at, row.updated_at, row.name) == (None, None, "g-unknown")
    assert findings() == []


@pytest.mark.parametrize("empty_database", ["sqlite", "mariadb"], indirect=True)
def test_rows_that_refer_to_none_stay_and_are_found(empty_database):
    old_schemas.create("3.0")
    fill()
    with db.get_engine().connect() as connection:
        for statement in ("PRAGMA foreign_keys = OFF", "SET foreign_key_checks = 0"):
            if ("PRAGMA" in statement) == (connection.dialect.name == "sqlite"):
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql("UPDATE audits SET goal_id = 77 WHERE id = 1")
        connection.exec_driver_sql(
            "INSERT INTO apscheduler_jobs (id, job_state, service_id, deleted)"
            " VALUES ('j', 'x', 78, 0)"
        )
        connection.invalidate()
    orphans = {
        (Need.PERSON, "row 1 of audits refers to row 77 of goals, which does not exist"),
        (
            Need.PERSON,
            "row j of apscheduler_jobs refers to row 78 of services, which does not exist",
        ),
    }
    assert orphans <= set(findings())
    migration.upgrade()
    assert set(findings()) == orphans
