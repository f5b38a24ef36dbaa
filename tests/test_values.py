# SPDX-License-Identifier: Apache-2.0
"""What a field takes and what it refuses: one verdict on every database."""

import datetime
import enum
import sys
import traceback
import uuid

import pytest

from tests import factory
from watcher_objects import Audit, db, exception
from watcher_objects.db import migration, values


class Colour(enum.Enum):
    RED = "red"


class Kind(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is its name
    ONESHOT = "ONESHOT"


def shared(levels):
    """Return a document of a few lists that would be written as two to the power of levels."""
    document = ["leaf"]
    for _ in range(levels):
        document = [document, document]
    return document


def endless():
    document = {}
    document["again"] = document["and again"] = document
    return document


def nested(depth):
    document = []
    for _ in range(depth - 1):
        document = [document]
    return document


KEPT = [
    ("name", "n" * 63, "n" * 63),
    ("name", "😀" * 63, "😀" * 63),
    ("name", 5, "5"),
    ("audit_type", Kind.ONESHOT, "ONESHOT"),
    ("interval", 3600, "3600"),
    ("interval", "*/5 * * * *", "*/5 * * * *"),
    ("interval", None, None),
    ("hostname", "'; DROP TABLE audits; --", "'; DROP TABLE audits; --"),
    ("hostname", "%s :name ?", "%s :name ?"),
    ("auto_trigger", "yes", True),
    ("auto_trigger", "false", False),
    ("auto_trigger", 0, False),
    ("force", None, False),
    ("parameters", None, {}),
    ("parameters", '{"a": 1}', {"a": 1}),
    ("parameters", {"a": {"😀\0\ud800": [1.5, None, True, -(2**70)]}}, ...),
    ("parameters", {"": ""}, ...),
    ("scope", None, []),
    ("scope", "[]", []),
    ("scope", [1, "a", nested(values.MAX_DEPTH - 1)], ...),
    ("start_time", "2026-11-22T12:00:00+03:00", datetime.datetime(2026, 11, 22, 9)),
    ("start_time", datetime.datetime(2026, 11, 22, 9, 0, 0, 1), ...),
    ("goal_id", "{goal}", "{goal}"),
]

REFUSED = [
    ("name", None),
    ("name", "n" * 64),
    ("name", "a\0b"),
    ("name", "\udc80"),
    ("name", b"bytes"),
    ("name", 1.5),
    ("name", True),
    ("name", ["a"]),
    ("name", Colour.RED),
    ("name", 10**5000),
    ("audit_type", "t" * 21),
    ("interval", "i" * 37),
    ("status_message", "m" * 256),
    ("goal_id", None),
    ("goal_id", "x"),
    ("goal_id", ""),
    ("goal_id", 1.0),
    ("goal_id", True),
    ("goal_id", 2**31),
    ("goal_id", -(2**31)),
    ("goal_id", "9" * 5000),
    ("auto_trigger", "maybe"),
    ("auto_trigger", 2),
    ("auto_trigger", None),
    ("auto_trigger", []),
    ("force", "perhaps"),
    ("uuid", "not a uuid"),
    ("uuid", ""),
    ("uuid", 5),
    ("uuid", None),
    ("parameters", []),
    ("parameters", 5),
    ("parameters", "text"),
    ("parameters", "{'python': 1}"),
    ("parameters", "[" * 5000),
    ("parameters", {1: "number as key"}),
    ("parameters", {"nan": float("nan")}),
    ("parameters", {"inf": float("inf")}),
    ("parameters", {"bytes": b""}),
    ("parameters", {"set": set()}),
    ("parameters", {"tuple": (1,)}),
    ("parameters", {"enum": Colour.RED}),
    ("parameters", {"time": datetime.datetime(2026, 1, 1)}),
    ("parameters", {"big": "x" * values.MAX_DOCUMENT}),
    ("parameters", {"huge": 10**5000}),
    ("parameters", {"shared": shared(60)}),
    ("parameters", endless()),
    ("scope", {}),
    ("scope", "{}"),
    ("scope", nested(values.MAX_DEPTH + 1)),
    ("scope", nested(3000)),
    ("start_time", "yesterday"),
    ("start_time", 5),
    ("start_time", datetime.date(2026, 1, 1)),
    ("created_at", "2026-13-01"),
    ("start_time", "9999-12-31T23:59:59-14:00"),
    ("deleted_at", datetime.datetime(2026, 1, 1)),
]


def label(case):
    return f"{case[0]}-{type(case[1]).__name__}"


def assign_and_save(audit, field, given):
    audit[field] = given
    audit.save()


@pytest.mark.parametrize("case", KEPT, ids=label)
def test_what_a_field_takes_is_kept_exactly(database, context, case):
    field, given, expected = case
    if given == "{goal}":
        goal_id = factory.stored(Audit, context).goal_id
        given, expected = str(goal_id), goal_id
    audit = factory.stored(Audit, context, **{field: given})
    expected = given if expected is ... else expected
    assert audit[field] == expected
    found = Audit.get(context, audit.id)
    assert found[field] == expected
    assert type(found[field]) is type(expected)
    assign_and_save(audit, field, given)
    assert Audit.get(context, audit.id)[field] == expected


@pytest.mark.parametrize("case", REFUSED, ids=label)
def test_what_a_field_can_not_hold_is_refused_by_name(database, context, case):
    field, given = case
    with pytest.raises(exception.InvalidValue, match=f"^{field} ") as caught:
        factory.stored(Audit, context, **{field: given})
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 200
    assert Audit.list(context) == []


@pytest.mark.parametrize("case", REFUSED, ids=label)
def test_save_refuses_what_create_refuses(database, context, case):
    field, given = case
    audit = factory.stored(Audit, context)
    before = Audit.get(context, audit.id)
    with pytest.raises((exception.InvalidValue, exception.ReadOnlyField), match=f"^{field} "):
        assign_and_save(audit, field, given)
    assert Audit.get(context, audit.id) == before


def test_a_uuid_is_stored_in_its_canonical_spelling(database, context):
    known = uuid.uuid4()
    audit = factory.stored(Audit, context, uuid=known.hex.upper())
    assert audit.uuid == str(known)
    assert Audit.get_by_uuid(context, known.urn) == audit


@pytest.mark.parametrize("name", [None, 5, b"a", "a" * 64, "a\0", "\ud800"])
def test_what_no_audit_could_be_named_is_refused(database, context, name):
    with pytest.raises(exception.InvalidName):
        Audit.get_by_name(context, name)


@pytest.mark.parametrize("known", [None, 5, "", "x", "1" * 35])
def test_what_is_no_uuid_is_refused(database, context, known):
    with pytest.raises(exception.InvalidUUID):
        Audit.get_by_uuid(context, known)


def test_an_error_never_shows_the_value(database, context):
    for field, value in (("name", "canary" * 20), ("parameters", {"canary": b"canary"})):
        with pytest.raises(exception.InvalidValue) as caught:
            factory.stored(Audit, context, **{field: value})
        assert "canary" not in str(caught.value)


def test_the_longest_documents_are_kept_with_every_character_escaped(database, context):
    long = '"' * (values.MAX_DOCUMENT // 2 - 10)
    audit = factory.stored(Audit, context, parameters={"a": long}, scope=[long.replace('"', "\\")])
    assert Audit.get(context, audit.id) == audit


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
