# SPDX-License-Identifier: Apache-2.0
"""What is compiled per class does what the slow ways do, and leaves the rest to them."""

import linecache
import threading
import traceback

import pytest
from oslo_versionedobjects import fields as ovo_fields

from tests import factory
from watcher_objects import Audit, Goal, base, db, exception, fields
from watcher_objects.db import statements
from watcher_objects.db.backend import database as backend
from watcher_objects.db.sql import dml, queries
from watcher_objects.persistence import compiled, primitive_codec


def raw(text):
    with db.get_engine().connect() as connection:
        connection.exec_driver_sql(text)


def slowly(obj):
    """Return the object again, filled by the fields themselves."""
    columns = {c.name: getattr(obj, c.name, None) for c in obj.table.columns}
    cells = statements.cells(obj.table, {**columns, "deleted": 0, **texts(obj)})
    return obj._from_row_coerced(obj._context, cells)


def texts(obj):
    return {name: vars(obj)[f"_row_{name}"] for name in obj._json_fields()}


@pytest.mark.parametrize("cls", factory.CLASSES, ids=lambda cls: cls.__name__)
def test_a_row_makes_the_same_object_fast_and_slowly(cls, database, context):
    stored = factory.stored(cls, context)
    found = cls.get(context, stored.id)
    again = slowly(found)
    assert again == found == stored
    for name in vars(found):
        assert type(getattr(again, name)) is type(getattr(found, name)), name


def test_a_document_is_read_when_it_is_asked_for(sqlite, context):
    audit = factory.stored(Audit, context, parameters={"a": [1]})
    found = Audit.get(context, audit.id)
    assert "_obj_parameters" not in vars(found)
    assert found.obj_what_changed() == set()
    found.parameters["a"].append(2)
    assert found.obj_what_changed() == {"parameters"}
    found.save()
    assert Audit.get(context, audit.id).parameters == {"a": [1, 2]}


def test_a_document_that_was_dropped_does_not_come_back(sqlite, context):
    found = Audit.get(context, factory.stored(Audit, context, parameters={"a": 1}).id)
    del found.parameters
    assert "parameters" not in found
    with pytest.raises(exception.FieldNotSet):
        found.parameters  # noqa: B018


def test_an_invalid_document_is_reported_on_access(database, context):
    audit = factory.stored(Audit, context)
    raw("UPDATE audits SET parameters = '[1'")
    found = Audit.get(context, audit.id)
    with pytest.raises(exception.DatabaseError, match=f"row {audit.id} of audits"):
        found.parameters  # noqa: B018
    with pytest.raises(exception.DatabaseError, match=f"row {audit.id} of audits"):
        found.obj_to_primitive()


def test_a_primitive_shares_no_document_with_its_object(sqlite, context):
    found = Audit.get(context, factory.stored(Audit, context, parameters={"a": 1}).id)
    found.obj_to_primitive()["watcher_object.data"]["parameters"]["a"] = 2
    assert found.parameters == {"a": 1}


def test_an_eager_list_gives_each_object_a_related_one_of_its_own(sqlite, context):
    goals = [factory.stored(Goal, context) for _ in range(5)]
    for goal in (*goals, goals[0]):
        factory.stored(Audit, context, goal_id=goal.id)
    audits = Audit.list(context, eager=True)
    assert [audit.goal for audit in audits] == [*goals, goals[0]]
    audits[0].goal.display_name = "Changed"
    assert audits[5].goal == goals[0]


class Shouted(ovo_fields.AutoTypedField):
    """A field whose type this library does not know."""

    class Type(ovo_fields.String):
        def coerce(self, obj, attr, value):
            return super().coerce(obj, attr, value).upper()

    AUTO_TYPE = Type()


@base.WatcherObjectRegistry.register_if(False)
class Loud(Audit):
    """A class that is not registered, with a field of another type and one more."""

    fields = {"hostname": Shouted(nullable=True), "deleted": fields.IntegerField()}


def test_a_class_that_is_not_registered_has_all_its_fields(sqlite, context):
    audit = factory.stored(Audit, context, hostname="quiet")
    loud = Loud.get(context, audit.id)
    assert (loud.hostname, loud.deleted, loud.name) == ("QUIET", 0, audit.name)
    loud.hostname = "louder"
    loud.save()
    assert Audit.get(context, audit.id).hostname == "LOUDER"
    assert loud.obj_to_primitive()["watcher_object.data"]["hostname"] == "LOUDER"


@pytest.mark.parametrize("make", [Audit._row_loader, lambda: primitive_codec.decoder(Audit)])
def test_a_traceback_shows_the_source_of_a_generated_function(make, sqlite, context):
    with pytest.raises((TypeError, ValueError)) as caught:
        make()(context, 5)
    last = traceback.extract_tb(caught.tb)[-1]
    assert last.filename.startswith("<generated watcher_objects.audit.Audit.")
    assert last.line
    assert last.line in linecache.getlines(last.filename)[last.lineno - 1]


def test_what_is_compiled_is_bounded(sqlite, context):
    # Each number of choices is a statement of its own.
    for number in range(statements.SHAPES + 20):
        choices = {"id__in": range(number % 23), "goal_id__in": range(number % 29)}
        Audit.list(context, filters=choices, limit=1)
    for cached in (queries._page, queries.lookup, dml._update, compiled.row_loader):
        assert cached.cache_info().currsize <= statements.SHAPES
    before = queries._page.cache_info().currsize
    Audit.list(context, filters={"id__in": range(queries.FEW_CHOICES)})
    assert queries._page.cache_info().currsize == before


def test_a_thread_waits_for_a_connection_that_another_keeps(sqlite, context):
    audit = factory.stored(Audit, context)
    held = [backend.current().acquire() for _ in range(15)]
    found = []
    thread = threading.Thread(target=lambda: found.append(Audit.get(context, audit.id)))
    thread.start()
    backend.current().release(held.pop())
    thread.join(timeout=20)
    assert found == [audit]
    for lent in held:
        backend.current().release(lent)


@pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
def test_a_connection_that_the_server_closed_is_not_taken(database, context):
    audit = factory.stored(Audit, context)
    lent, other = backend.current().acquire(), backend.current().acquire()
    kill(database, other.cursor(), lent.dbapi_connection)
    other.close()
    backend.current().release(lent)
    assert Audit.get(context, audit.id) == audit


def kill(dialect, cursor, connection):
    if dialect == "postgresql":
        cursor.execute(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
    else:
        cursor.execute(f"KILL {connection.thread_id()}")


def test_a_connection_that_is_released_after_dispose_is_closed(database):
    source = backend.current()
    early, late, lent = source.acquire(), source.acquire(), source.checkout()
    source.release(early)
    drivers = [one.dbapi_connection for one in (early, late, lent.connection)]
    source.dispose()
    source.release(late)
    lent.close()
    for connection in drivers:
        with pytest.raises(db.get_engine().dialect.loaded_dbapi.Error):
            connection.cursor().execute("SELECT 1")
