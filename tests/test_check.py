# SPDX-License-Identifier: Apache-2.0
"""What ``check`` finds, and only that."""

import datetime

import pytest
import sqlalchemy as sa

from tests import factory
from tests.population import FOREIGN_HEAD, HEAD, fill, filled, run, tables
from watcher_objects import Audit, Goal, Worker, db
from watcher_objects.db import migration, models, work
from watcher_objects.db.migration.diagnostics import Need


@pytest.fixture
def foreign(empty_database):
    """A configured database at the head of Watcher's chain."""
    migration.upgrade(FOREIGN_HEAD)


def findings():
    return [(finding.need, finding.what) for finding in migration.check()]


def test_an_older_schema_needs_an_upgrade(foreign):
    (first, *_) = findings()
    assert first == (Need.UPGRADE, f"revision {FOREIGN_HEAD} is older than {HEAD}")


def test_a_database_without_a_schema_needs_an_upgrade(tmp_path):
    db.configure(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert findings() == [(Need.UPGRADE, "there is no schema of ours")]
    db.dispose()


def test_a_revision_of_others_needs_a_person(database):
    run(sa.text("UPDATE alembic_version SET version_num = 'abc'"))
    assert findings() == [
        (Need.PERSON, "revision abc is of a newer release, or of another program")
    ]
    run(sa.text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))


def test_a_missing_key_is_reported_with_the_rows_that_violate_it(foreign):
    filled(numbers=[1])
    audits = next(table for table in tables() if table.name == "audits")
    fill(audits, [4, 5])
    run(sa.update(audits).values(name="same"))
    (finding,) = (what for _, what in findings() if "unique key" in what)
    assert finding == (
        "audits lacks the unique key uniq_audits0name: 3 rows have name 'same', deleted 0"
    )


def test_a_schema_that_was_changed_by_hand_needs_a_person(database):
    of = " ON audits" if database == "mysql" else ""
    for change, back, difference in (
        (
            "ALTER TABLE goals ADD COLUMN extra INTEGER",
            "ALTER TABLE goals DROP COLUMN extra",
            "remove_column goals extra",
        ),
        (
            "CREATE UNIQUE INDEX own ON audits (hostname, name, id)",
            f"DROP INDEX own{of}",
            "remove_index own",
        ),
    ):
        run(sa.text(change))
        try:
            assert findings() == [(Need.PERSON, f"the schema differs: {difference}")]
        finally:
            run(sa.text(back))


def test_what_others_add_needs_nothing(database):
    run(sa.text("CREATE TABLE zoo (id INTEGER PRIMARY KEY, cage VARCHAR(9))"))
    run(sa.text("CREATE UNIQUE INDEX one_each ON zoo (cage)"))
    run(sa.text("CREATE INDEX own ON audits (hostname, name)"))
    try:
        assert findings() == [
            (Need.NOTHING, "the table zoo is not this program's"),
            (Need.NOTHING, "audits has an additional index own"),
        ]
    finally:
        run(sa.text("DROP TABLE zoo"))
        of = " ON audits" if db.get_engine().dialect.name == "mysql" else ""
        run(sa.text(f"DROP INDEX own{of}"))


def test_a_row_that_no_object_could_hold_needs_a_person(database, context):
    audit = factory.stored(Audit, context)
    run(sa.update(models.audits).values(audit_type=None, scope="{"))
    (finding,) = findings()
    assert finding[0] is Need.PERSON
    assert finding[1].startswith(f"row {audit.id} of audits can't be loaded: ")


def test_an_unknown_state_needs_a_person(database, context):
    audit = factory.stored(Audit, context)
    run(sa.update(models.audits).values(state="BOGUS"))
    what = f"row {audit.id} of audits is in the state 'BOGUS', which does not exist"
    assert findings() == [(Need.PERSON, what)]


@pytest.fixture
def mariadb(database):
    """A database on MariaDB, in which a table may be altered."""
    yield database
    run(sa.text("ALTER TABLE scoring_engines ENGINE = InnoDB"))
    run(sa.text("ALTER TABLE scoring_engines MODIFY description VARCHAR(255)"))


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
@pytest.mark.parametrize("collation", ["latin1_swedish_ci", "utf8mb4_general_ci"])
def test_text_that_mariadb_keeps_otherwise_needs_a_person(mariadb, collation):
    charset = collation.partition("_")[0]
    kind = f"VARCHAR(255) CHARACTER SET {charset} COLLATE {collation}"
    run(sa.text(f"ALTER TABLE scoring_engines MODIFY description {kind}"))
    what = f"text in scoring_engines has the collation {collation}: description"
    assert findings() == [(Need.PERSON, what)]


@pytest.mark.parametrize("shared_url", ["mariadb"], indirect=True)
@pytest.mark.parametrize("engine", ["Aria", "MyISAM"])
def test_a_table_that_is_not_rolled_back_needs_a_person(mariadb, engine):
    run(sa.text(f"ALTER TABLE scoring_engines ENGINE = {engine}"))
    ((need, what),) = findings()
    assert need is Need.PERSON
    assert what.startswith(f"scoring_engines is stored by {engine}, which neither rolls back")


def change(statement, setting="SELECT 1"):
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql(setting)
        connection.exec_driver_sql(statement)
        connection.invalidate()


def test_a_row_that_can_not_be_found_is_named(database, context):
    for change_, words in (
        ("uuid = upper(uuid)", "has its uuid in another spelling"),
        ("deleted = NULL", "says neither that it is deleted nor not"),
    ):
        audit = factory.stored(Audit, context, uuid="abcdef00-0000-4000-8000-0000000000ab")
        change(f"UPDATE audits SET {change_}")
        found = [finding.what for finding in migration.check()]
        assert found == [f"row {audit.id} of audits {words}"]
        change("DELETE FROM audits")


@pytest.mark.parametrize("shared_url", ["postgresql"], indirect=True)
def test_an_outdated_sequence_is_found(database, context):
    goal = factory.stored(Goal, context)
    change(f"SELECT setval('goals_id_seq', {goal.id - 1 or 1}, {str(goal.id > 1).lower()})")
    change(f"UPDATE goals SET id = {goal.id + 5}")
    what = "the sequence of goals is lower than the ids of its rows"
    assert what in [finding.what for finding in migration.check()]
    change(f"SELECT setval('goals_id_seq', {goal.id + 5})")


def left_by(worker_id, minutes, **given):
    """Write the claims of all audits, as if a worker had left them so long ago."""
    left = work.now() - datetime.timedelta(minutes=minutes)
    columns = {"worker_id": worker_id, "attempts": 1, "updated_at": left, **given}
    run(sa.update(models.audits).values(state="ONGOING", **columns))


def test_work_that_nobody_takes_over_needs_a_person(database, context):
    audits = [factory.stored(Audit, context) for _ in range(6)]
    worker = Worker(context, host="host-1")
    worker.register()
    left_by(worker.id, 120)
    assert findings() == []
    alive_until = work.now() - datetime.timedelta(minutes=30)
    run(sa.update(models.workers).values(alive_until=alive_until))
    assert findings() == []
    run(sa.update(models.workers).values(alive_until=alive_until - datetime.timedelta(hours=1)))
    what = "6 of audits are ONGOING, and no worker has had them for an hour: id "
    ids = ", ".join(str(audit.id) for audit in audits[:5])
    assert findings() == [(Need.PERSON, f"{what}{ids}, ...")]
    worker.unregister()
    assert findings() == [(Need.PERSON, f"{what}{ids}, ...")]
    left_by(worker.id, 30)
    assert findings() == []


def test_work_that_was_given_back_is_reported_when_it_may_be_taken_over(database, context):
    audit = factory.stored(Audit, context)
    for minutes, is_found in ((-30, False), (30, False), (90, True)):
        moment = work.now() - datetime.timedelta(minutes=minutes)
        left_by(0, 120, available_at=moment)
        what = f"1 of audits are ONGOING, and no worker has had them for an hour: id {audit.id}"
        assert findings() == [(Need.PERSON, what)] * is_found


def test_work_without_claims_and_between_two_runs_needs_nothing(database, context):
    factory.stored(Audit, context)
    for attempts in (None, 0):
        left_by(None, 120, attempts=attempts)
        assert findings() == []
