# SPDX-License-Identifier: Apache-2.0
"""What a field takes and what it refuses: one verdict on every database."""

import contextlib
import datetime
import sys
import traceback
import zoneinfo

import pytest
import sqlalchemy as sa

from tests import factory
from tests.boundary_values import kinds
from tests.boundary_values.documents import nested
from watcher_objects import Audit, EfficacyIndicator, db, exception


@pytest.mark.parametrize("cls", [kinds.Precise, type("Fold", (datetime.datetime,), {})])
@pytest.mark.parametrize("fold", [0, 1])
def test_a_time_of_a_subclass_becomes_a_plain_one(context, cls, fold):
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    given = cls(2026, 10, 25, 2, 30, 0, 123456, tzinfo=berlin, fold=fold)
    audit = Audit(context, created_at=given, end_time=given)
    assert {type(audit.created_at), type(audit.end_time)} == {datetime.datetime}
    assert audit.end_time == datetime.datetime(2026, 10, 25, fold, 30, 0, 123456)
    assert audit.created_at == audit.end_time.replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(("total", "fits"), [(0, True), (123_456_000, True), (123_456_001, False)])
def test_nanoseconds_may_count_the_microseconds_too(context, total, fits):
    given = kinds.Precise(2026, 11, 22, 12, 0, 0, 123456)
    given.nanosecond = total
    with contextlib.nullcontext() if fits else pytest.raises(exception.InvalidValue, match="end_"):
        assert Audit(context, end_time=given).end_time == given


def test_a_time_without_a_value_is_refused(context):
    class NaT(datetime.datetime):
        """As pandas has it: each of its parts is NaN."""

        year = nanosecond = property(lambda self: float("nan"))

    with pytest.raises(exception.InvalidValue, match=r"^end_time takes a datetime"):
        Audit(context, end_time=NaT(1, 1, 1))


def test_a_number_of_a_subclass_becomes_a_plain_one(context):
    kind = type("Scalar", (float,), {})
    indicator = EfficacyIndicator(context, value=kind(0.5))
    assert (type(indicator.value), indicator.value) == (float, 0.5)


def test_a_time_that_sqlite_can_not_read_is_in_no_error(sqlite, context):
    audit = factory.stored(Audit, context)
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql("UPDATE audits SET next_run_time = 'can' || 'ary'")
    with pytest.raises(
        exception.DatabaseError, match=f"row {audit.id} .* next_run_time"
    ) as caught:
        Audit.list(context)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_deep_stack_changes_no_verdict(sqlite, context):
    def below(depth):
        return below(depth - 1) if depth else factory.stored(Audit, context, scope=nested(99))

    assert below(sys.getrecursionlimit() // 3).scope == nested(99)


def test_a_document_beyond_the_limits_that_was_read_has_not_changed(sqlite, context):
    audit = factory.stored(Audit, context)
    deep = '{"a": ' + "[" * 200 + "]" * 200 + "}"
    with db.get_engine().connect() as connection:
        connection.execute(sa.text("UPDATE audits SET parameters = :deep"), {"deep": deep})
    found = Audit.get(context, audit.id)
    assert found.parameters["a"]
    assert found.obj_what_changed() == set()
    found.state = "ONGOING"
    found.save()
    found.parameters["b"] = 1
    assert found.obj_what_changed() == {"parameters"}
