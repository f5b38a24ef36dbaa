# SPDX-License-Identifier: Apache-2.0
"""``conditional_update`` and ``save_if``: a row is written if it holds what is expected."""

import datetime

import pytest
import sqlalchemy as sa

from tests import factory
from tests.test_states import in_state, put, row_of
from watcher_objects import Action, ActionPlan, Audit, EfficacyIndicator, db, events, exception
from watcher_objects.base import WatcherObject
from watcher_objects.db import models
from watcher_objects.db.sql import dml, expectations

VALUE = EfficacyIndicator.table.c.value


def write(obj, **values):
    """Change a row without the objects' knowledge."""
    with db.get_engine().connect() as connection:
        mine = obj.table.update().where(obj.table.c.id == obj.id)
        connection.execute(mine.values(**values))


@pytest.fixture
def audit(database, context):
    return factory.stored(Audit, context, hostname=None)


# --- what a row may be expected to hold -----------------------------------------------------

NOW = factory.MOMENT.replace(tzinfo=None)
MET = {
    "a value": {"hostname": "a"},
    "one of several": {"hostname": ("b", "a")},
    "a list": {"hostname": ["b", "a", None]},
    "NULL": {"status_message": None},
    "NULL or a value": {"status_message": (None, "a")},
    "another value": {"hostname": db.Not("b")},
    "none of several": {"hostname": db.Not(("b", None))},
    "anything": {"hostname": db.Not(None)},
    "NULL, which is not a value": {"status_message": db.Not("a")},
    "a boolean": {"force": True, "auto_trigger": "yes"},
    "a number": {"goal_id": db.Not(0)},
    "a time": {"next_run_time": NOW},
    "a time with an offset": {"start_time": factory.MOMENT.isoformat()},
    "a state": {"state": ("PENDING", "SUSPENDED"), "hostname": "a"},
}
UNMET = {
    "a value": {"hostname": "A"},
    "trailing blanks": {"hostname": "a "},
    "none of several": {"hostname": ("b", "c", None)},
    "NULL": {"hostname": None},
    "a value instead of NULL": {"status_message": "a"},
    "not this": {"hostname": db.Not("a")},
    "not these": {"hostname": db.Not(("a", "b"))},
    "not NULL": {"status_message": db.Not(None)},
    "a boolean": {"force": False},
    "a time": {"next_run_time": NOW + datetime.timedelta(microseconds=1)},
    "a state": {"state": "ONGOING"},
    "one of two fields": {"hostname": "a", "state": "CANCELLED"},
}


@pytest.mark.parametrize("expected", MET.values(), ids=MET)
def test_a_row_as_expected_is_written(database, context, published, expected):
    audit = factory.stored(Audit, context, hostname="a", status_message=None)
    published.clear()
    assert audit.conditional_update({"name": "new"}, expected) is True
    assert (audit.name, row_of(audit)["name"]) == ("new", "new")
    assert audit.obj_what_changed() == set()
    assert [(e.kind, e.obj.name) for e in published] == [("update", "new")]


@pytest.mark.parametrize("expected", UNMET.values(), ids=UNMET)
def test_another_row_is_not_written_and_read(database, context, published, expected):
    audit = factory.stored(Audit, context, hostname="a", status_message=None)
    write(audit, interval="60")
    published.clear()
    assert audit.conditional_update({"name": "new"}, expected) is False
    assert audit.interval == "60"
    assert row_of(audit)["name"] == audit.name != "new"
    assert published == []


def test_times_that_sql_has_written_are_compared_as_times(audit, database):
    text = "2026-01-02 03:04:05"
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql(f"UPDATE audits SET next_run_time = '{text}'")
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert audit.conditional_update({"hostname": "a"}, {"next_run_time": db.Not(None)})
    assert audit.conditional_update({"hostname": "b"}, {"next_run_time": moment})
    assert not audit.conditional_update({"hostname": "c"}, {"next_run_time": db.Not(moment)})


def test_of_two_workers_one_takes_the_audit(audit, context):
    workers = [Audit.get(context, audit.id) for _ in range(2)]
    expected = {"hostname": None, "state": ("PENDING", "SUSPENDED")}
    took = [
        w.conditional_update({"hostname": f"host-{i}"}, expected) for i, w in enumerate(workers)
    ]
    assert took == [True, False]
    assert [w.hostname for w in workers] == ["host-0", "host-0"]


def test_unsaved_changes_of_other_fields_are_kept(audit):
    audit.name, audit.parameters["mine"] = "mine", 1
    write(audit, status_message="theirs", parameters='{"theirs": 1}')
    assert audit.conditional_update({"hostname": "a"}, {"hostname": None})
    assert audit.obj_what_changed() == {"name", "parameters"}
    assert not audit.conditional_update({"hostname": "a"}, {"hostname": None})
    assert audit.obj_what_changed() == {"name", "parameters"}
    assert (audit.status_message, audit.hostname) == ("theirs", "a")
    write(audit, name="theirs")
    with pytest.raises(exception.MergeConflict):
        audit.merge()
    audit.save()
    assert row_of(audit)["name"] == "mine"


def test_a_row_that_is_gone_is_not_found(audit, context):
    audit.destroy()
    with pytest.raises(exception.AuditNotFound):
        audit.conditional_update({"hostname": "a"}, {"hostname": None})
    deleted = in_state("CANCELLED", context)
    Audit.get(context, deleted.id).soft_delete()
    with pytest.raises(exception.AuditNotFound):
        deleted.conditional_update({"hostname": "a"}, {"state": "DELETED"})
    with pytest.raises(exception.AuditNotFound):
        deleted.save_if(state="DELETED")


# --- states ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Audit, ActionPlan, Action])
def test_a_state_is_written_only_from_one_that_leads_to_it(database, context, published, cls):
    obj = in_state("ONGOING", context, cls)
    stale = cls.get(context, obj.id)
    put(obj, "CANCELLED")
    heard = []
    end = events.subscribe(heard.append, refusals=True)
    with pytest.raises(exception.InvalidStateTransition) as caught:
        stale.conditional_update({"state": "SUCCEEDED"}, {"status_message": db.Not("x")})
    end()
    assert (caught.value.initial, caught.value.new) == ("CANCELLED", "SUCCEEDED")
    assert [event.kind for event in heard] == ["refuse"]
    # An expectation that is not met comes first.
    assert stale.conditional_update({"state": "SUCCEEDED"}, {"state": "ONGOING"}) is False
    assert stale.state == "CANCELLED"


def test_the_old_state_is_that_of_the_row(database, context, published):
    audit = in_state("PENDING", context)
    put(audit, "ONGOING")
    published.clear()
    assert audit.conditional_update({"state": "SUSPENDED"}, {"state": ("ONGOING", "PENDING")})
    assert (audit.state, audit.old_state) == ("SUSPENDED", "ONGOING")
    assert [(e.kind, e.old_state) for e in published] == [("update", "ONGOING")]


def test_the_state_deleted_soft_deletes(database, context, published):
    plan = in_state("SUPERSEDED", context, ActionPlan)
    owned = factory.stored(Action, context, action_plan_id=plan.id)
    published.clear()
    assert plan.conditional_update({"state": "DELETED"}, {"state": "RECOMMENDED"}) is False
    assert (row_of(owned)["deleted"], published) == (0, [])
    assert plan.conditional_update({"state": "DELETED"}, {"state": "SUPERSEDED"}) is True
    assert (row_of(plan)["deleted"], row_of(owned)["deleted"]) == (plan.id, owned.id)
    assert {(e.resource, e.kind) for e in published} == {
        ("action", "delete"),
        ("action_plan", "delete"),
    }


# --- expressions ----------------------------------------------------------------------------


@pytest.fixture
def indicator(database, context):
    return factory.stored(EfficacyIndicator, context, value=1.5, description="ab")


def test_the_database_computes_expressions(indicator):
    more = {"value": VALUE + 1, "description": sa.func.upper(indicator.table.c.description)}
    assert indicator.conditional_update(more, {"value": (1.5, 7)})
    assert (indicator.value, indicator.description) == (2.5, "AB")
    assert (row_of(indicator)["value"], row_of(indicator)["data"]) == (2.5, 2.5)
    assert not indicator.conditional_update(more, {"value": 1.5})
    assert indicator.conditional_update({"unit": indicator.table.c.name}, {"value": 2.5})
    assert indicator.unit == indicator.name


def test_nothing_is_written_of_a_result_that_does_not_fit(indicator):
    long = sa.literal("x" * 200) + sa.literal("y" * 200)
    for values in (
        {"description": indicator.table.c.description + long},
        {"value": VALUE * 1e308 * 1e308},
    ):
        with pytest.raises(exception.InvalidValue):
            indicator.conditional_update({**values, "name": "new"}, {"value": 1.5})
        assert row_of(indicator)["name"] == indicator.name != "new"


def test_expressions_that_the_databases_would_compute_differently_are_rejected(audit, context):
    columns = Audit.table.c
    for values, field in (
        ({"parameters": columns.scope}, "parameters"),
        ({"state": columns.name}, "state"),
        ({"name": columns.hostname, "hostname": columns.name}, "name"),
        ({"goal_id": models.goals.c.id}, "goal_id"),
        ({"goal_id": sa.select(models.goals.c.id).scalar_subquery()}, "goal_id"),
        ({"force": columns.name.in_(["a"])}, "force"),
    ):
        with pytest.raises(exception.InvalidValue, match=f"^{field} "):
            audit.conditional_update(values, {"hostname": None})
    with pytest.raises(exception.ReadOnlyField):
        audit.conditional_update({"uuid": columns.name}, {"hostname": None})


# --- save_if --------------------------------------------------------------------------------


def test_changes_are_saved_if_the_row_is_as_expected(audit, published):
    published.clear()
    audit.hostname, audit.parameters["n"] = "mine", 1
    assert audit.save_if(hostname=None, state="PENDING") is True
    assert (audit.hostname, audit.parameters["n"]) == ("mine", 1)
    assert (audit.obj_what_changed(), len(published)) == (set(), 1)
    audit.hostname = "other"
    write(audit, hostname="theirs", status_message="theirs")
    assert audit.save_if(hostname="mine") is False
    assert (audit.hostname, audit.status_message) == ("other", "theirs")
    assert audit.obj_what_changed() == {"hostname"}
    assert audit.save_if(hostname="theirs") is True
    assert row_of(audit)["hostname"] == "other"


def test_without_changes_the_row_is_only_compared(audit, published, statements):
    published.clear()
    write(audit, hostname="theirs")
    statements.clear()
    assert audit.save_if(hostname=None) is False
    assert audit.hostname == "theirs"
    assert audit.save_if(hostname="theirs") is True
    assert [text.split()[0] for text in statements] == ["SELECT"] * 2
    assert published == []


def test_a_claim_with_save_if_goes_through_the_guard(database, context):
    audit = in_state("CANCELLED", context)
    audit.state = "ONGOING"
    with pytest.raises(exception.InvalidStateTransition):
        audit.save_if(hostname=db.Not("x"))
    assert audit.obj_what_changed() == {"state"}
    assert audit.save_if(state="PENDING") is False
    assert (audit.state, audit.obj_what_changed()) == ("ONGOING", {"state"})


# --- misuse ---------------------------------------------------------------------------------

BAD = {
    "an unknown field": ({"hostname": "a"}, {"hostnme": "a"}, exception.UnknownField, "hostname"),
    "an unknown value": ({"hostnme": "a"}, {"hostname": "a"}, exception.UnknownField, "hostname"),
    "a relation": ({"hostname": "a"}, {"goal": None}, exception.UnknownField, "use goal_id"),
    "a related object": ({"goal": None}, {"hostname": "a"}, exception.UnknownField, "goal_id"),
    "no column": ({"hostname": "a"}, {"deleted": 0}, exception.UnknownField, "deleted"),
    "a read-only field": ({"uuid": "a"}, {"name": "a"}, exception.InvalidValue, "uuid"),
    "the time": ({"updated_at": None}, {"name": "a"}, exception.ReadOnlyField, "updated_at"),
    "a wrong type": ({"hostname": "a"}, {"goal_id": "x"}, exception.InvalidValue, "goal_id"),
    "a wrong value": ({"goal_id": []}, {"name": "a"}, exception.InvalidValue, "goal_id"),
    "nothing": ({"hostname": "a"}, {"hostname": ()}, exception.InvalidValue, "hostname"),
    "not nothing": ({"a": 1}, {"name": db.Not([])}, exception.UnknownField, "field a"),
    "Not inside": ({"hostname": "a"}, {"name": (db.Not("a"),)}, exception.InvalidValue, "name"),
    "Not twice": ({"name": "a"}, {"name": db.Not(db.Not(1))}, exception.InvalidValue, "name"),
    "a document": ({"hostname": "a"}, {"parameters": {}}, exception.InvalidValue, "JSON"),
    "an unknown state": ({"name": "a"}, {"state": "PENDNG"}, exception.InvalidState, "PENDNG"),
    "a state that is none": ({"state": "x"}, {"name": "a"}, exception.InvalidState, "ONGOING"),
    "no expectations": ({"hostname": "a"}, {}, exception.InvalidValue, "expected"),
    "no mapping": ({"hostname": "a"}, ["name"], exception.InvalidValue, "expected"),
    "no values": ({}, {"hostname": "a"}, exception.InvalidValue, "values"),
    "None": (None, {"hostname": "a"}, exception.InvalidValue, "values"),
    "text too long": ({"hostname": "a"}, {"name": "a" * 64}, exception.InvalidValue, "name"),
    "a name that is none": ({1: "a"}, {"name": "a"}, exception.UnknownField, "field 1"),
}


@pytest.mark.parametrize(("values", "expected", "error", "words"), BAD.values(), ids=BAD)
def test_errors_name_what_is_wrong(sqlite, context, values, expected, error, words):
    audit = factory.stored(Audit, context, hostname=None)
    before = audit.obj_to_primitive()
    with pytest.raises(error, match=words):
        audit.conditional_update(values, expected)
    assert audit.obj_to_primitive() == before


def test_without_a_database_the_error_says_so(sqlite, sqlite_url, context, monkeypatch):
    audit = factory.stored(Audit, context)
    audit.hostname = "new"
    monkeypatch.setattr(WatcherObject, "indirection_api", object())
    db.dispose()
    for call in (
        lambda: audit.conditional_update({"hostname": "a"}, {"hostname": None}),
        lambda: audit.save_if(hostname=None),
        audit.merge,
        lambda: Audit.modify(context, audit.uuid, print),
    ):
        with pytest.raises(exception.DatabaseNotConfigured, match=r"\(\) is not remotable"):
            call()
    db.configure(sqlite_url)


def test_a_rollback_restores_the_object(audit):
    audit.name = "unsaved"
    before = audit.obj_to_primitive()

    def write_and_fail():
        with db.transaction():
            assert audit.conditional_update({"hostname": "a"}, {"hostname": None})
            assert not audit.conditional_update({"hostname": "b"}, {"hostname": None})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert audit.obj_to_primitive() == before
    assert row_of(audit)["hostname"] is None


def test_a_refused_update_leaves_its_transaction_usable(audit, context):
    with db.transaction():
        assert not audit.conditional_update({"hostname": "b"}, {"hostname": "a"})
        audit.hostname = "c"
        audit.save()
    assert row_of(audit)["hostname"] == "c"


def test_statements_of_one_shape_are_compiled_once(audit, context):
    def shapes():
        return dml._update.cache_info().currsize

    audit.conditional_update({"hostname": "a"}, {"hostname": (None, "x")})
    known = shapes()
    audit.conditional_update({"hostname": "b"}, {"hostname": (None, "a")})
    audit.conditional_update({"hostname": "c"}, {"hostname": ("b", None)})
    assert (audit.hostname, shapes()) == ("c", known)


def test_expectations_are_of_the_db_api_too(audit):
    expected = expectations.parse(models.audits, {"hostname": None})
    key = {"uuid": audit.uuid}
    assert db.api.update(models.audits, key, {"hostname": "a"}, expected=expected)
    with pytest.raises(exception.UnexpectedValues, match="hostname") as caught:
        db.api.update(models.audits, key, {"hostname": "b"}, expected=expected)
    assert "a" in caught.value.cells
