# SPDX-License-Identifier: Apache-2.0
"""What a field takes and what it refuses: one verdict on every database."""

import sys
import traceback
import uuid

import pytest

from tests import factory
from tests.inputs.documents import nested
from watcher_objects import Audit, EfficacyIndicator, db, exception
from watcher_objects.db import migration


def test_a_uuid_is_stored_in_its_canonical_spelling(database, context):
    known = uuid.uuid4()
    audit = factory.stored(Audit, context, uuid=known.hex.upper())
    assert audit.uuid == str(known)
    assert Audit.get_by_uuid(context, known.urn) == audit


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [
        (Audit, "goal_id", "\uff11"),
        (Audit, "auto_trigger", "\uff11"),
        (EfficacyIndicator, "value", "\uff11"),
        (Audit, "created_at", "2026-11-22T12:00:00.0000001"),
        (Audit, "parameters", '{"cpu": 1, "cpu": 2}'),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(context, cls, field, value):
    with pytest.raises(exception.InvalidValue, match=f"^{field} takes"):
        cls(context, **{field: value})


def test_a_time_that_sqlite_can_not_read_is_in_no_error(tmp_path, context):
    db.configure(f"sqlite:///{tmp_path / 'broken.sqlite'}")
    migration.upgrade()
    factory.stored(Audit, context)
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("UPDATE audits SET next_run_time = 'can' || 'ary'")
    with pytest.raises(exception.DatabaseError, match=r"row 1 .* next_run_time") as caught:
        Audit.list(context)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    db.dispose()


def test_a_deep_stack_changes_no_verdict(database, context):
    def below(depth):
        return below(depth - 1) if depth else factory.stored(Audit, context, scope=nested(99))

    assert below(sys.getrecursionlimit() // 3).scope == nested(99)
