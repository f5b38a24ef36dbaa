# SPDX-License-Identifier: Apache-2.0
"""What ``check`` finds, and only that."""

import pytest
import sqlalchemy as sa

from tests import factory
from tests.conftest import clean
from tests.population import HEAD, fill, run, tables
from watcher_objects import Audit, db
from watcher_objects.db import migration, models
from watcher_objects.db.findings import Need


@pytest.fixture
def foreign(database):
    """A configured database at the head of Watcher's chain."""
    migration.downgrade("base")
    migration.upgrade("f56ba02662b4")
    yield database
    migration.upgrade()
    clean()


def told():
    return [(finding.need, finding.what) for finding in migration.check()]


def test_of_a_database_that_is_right_nothing_is_found(database, context):
    for cls in factory.CLASSES:
        factory.stored(cls, context)
    assert told() == []


def test_an_older_schema_needs_an_upgrade(foreign):
    (first, *_) = told()
    assert first == (Need.UPGRADE, f"revision f56ba02662b4 is older than {HEAD}")


def test_a_database_without_a_schema_needs_an_upgrade(tmp_path):
    db.configure(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert told() == [(Need.UPGRADE, "there is no schema of ours")]
    db.dispose()


def test_a_revision_of_others_needs_a_person(database):
    run(sa.text("UPDATE alembic_version SET version_num = 'abc'"))
    assert told() == [(Need.PERSON, "revision abc is of a newer release, or of another program")]
    run(sa.text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))


def test_a_missing_key_is_told_with_the_rows_that_are_in_its_way(foreign):
    for table in tables():
        fill(table, [1])
    audits = next(table for table in tables() if table.name == "audits")
    fill(audits, [4, 5])
    run(sa.update(audits).values(name="same"))
    (finding,) = (what for _, what in told() if "unique key" in what)
    assert finding == (
        "audits lacks the unique key uniq_audits0name: 3 rows have name 'same', deleted 0"
    )


def test_a_schema_that_was_changed_by_hand_needs_a_person(database):
    run(sa.text("ALTER TABLE goals ADD COLUMN extra INTEGER"))
    assert told() == [(Need.PERSON, "the schema differs: remove_column goals extra")]
    run(sa.text("ALTER TABLE goals DROP COLUMN extra"))


def test_a_row_that_no_object_could_hold_needs_a_person(database, context):
    audit = factory.stored(Audit, context)
    run(sa.update(models.audits).values(audit_type=None, scope="{"))
    (finding,) = told()
    assert finding[0] is Need.PERSON
    assert finding[1].startswith(f"row {audit.id} of audits can't be loaded: ")


def test_a_state_that_there_is_not_needs_a_person(database, context):
    audit = factory.stored(Audit, context)
    run(sa.update(models.audits).values(state="BOGUS"))
    what = f"row {audit.id} of audits is in the state 'BOGUS', which there is not"
    assert told() == [(Need.PERSON, what)]
