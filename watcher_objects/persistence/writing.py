# SPDX-License-Identifier: Apache-2.0
"""The methods that write: create, save, soft_delete and destroy."""

import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from oslo_utils import uuidutils
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import events, exception
from watcher_objects.db import api, bulk, wakeups
from watcher_objects.db.sql.filters import target
from watcher_objects.db.sql.write_outcome import ChangedRow, RowVersion, WriteResult
from watcher_objects.db.statements import Cells, column_index
from watcher_objects.db.statements import cells as cells_of
from watcher_objects.db.transactions import levels
from watcher_objects.fields import coercion
from watcher_objects.persistence.change_tracking import READ_ONLY_FIELDS
from watcher_objects.persistence.registry import class_of, remotable
from watcher_objects.persistence.row_mapper import RowMapped, missing_context

LOG = logging.getLogger(__name__)


class Writable(RowMapped):
    """An object that can be stored in its table.

    Every write is one transaction; after an error the object is as it was. What was written
    is published by :mod:`watcher_objects.events` after the commit.
    """

    @classmethod
    def create_many(cls, context: Any, objects: Iterable[Self]) -> None:
        """Store objects of this class, all or none, with few statements; else as :meth:`create`.

        :param context: for the objects that have none of their own
        :param objects: what to store; each of them once
        :raises InvalidParameter: one is of another class, or there is no context
        :raises Exception: as for :meth:`create`; the error's ``index`` is the object's position,
            and all objects are unchanged
        """
        if context is None:
            raise missing_context()
        if not isinstance(objects, Iterable):
            raise _not_objects(cls)
        new = list(objects)
        with exception.prefix_index("objects"):
            rows = cls._create_rows(context, new)
        for obj, row in zip(new, rows, strict=True):
            obj._refresh_from_write(row)
            obj._context = obj._context or context
        for obj in new:
            obj._publish("create")

    @classmethod
    def _create_rows(cls, context: Any, objects: Sequence[Self]) -> Sequence[Cells]:
        given = []
        seen: set[int] = set()
        for index, obj in enumerate(objects):
            with exception.annotate_index(index):
                cls._check_new(obj, seen)
                given.append(obj._to_create())
        try:
            return bulk.create(cls.table, given, context)
        except exception.WatcherException as error:
            if not hasattr(error, "index"):
                raise
            with (
                exception.annotate_index(error.index),
                objects[error.index]._translate_db_errors(),
            ):
                raise

    @classmethod
    def _check_new(cls, obj: Any, seen: set[int]) -> None:
        if type(obj) is not cls:
            raise _not_objects(cls)
        if id(obj) in seen:
            raise ovo_exception.ObjectActionError(action="create_many", reason="given twice")
        seen.add(id(obj))

    @remotable
    def create(self) -> None:
        """Store the object, which is then equal to its row, and clean.

        Fields that were not set are filled in: the uuid, the time, the initial state.

        :raises ObjectActionError: it is stored already
        :raises InvalidValue: a field can't be stored, or has no value and needs one
        :raises Conflict: the uuid or the name is taken; each class has its own error
        :raises ResourceNotFound: a relation leads nowhere; the error is the related class's
        """
        given = self._to_create()
        with self._translate_db_errors():
            cells = api.create(self.table, given, self._context)
        self._refresh_from_write(cells)
        self._publish("create")

    @remotable
    def save(self) -> None:
        """Write the fields that have changed; the object is then equal to its row, and clean.

        With nothing changed, nothing is written. An assigned state is written only if the row is
        in one that leads to it; writing the state DELETED is :meth:`soft_delete`.

        :raises ResourceNotFound: the row is gone, or deleted
        :raises InvalidStateTransition: the row's state does not lead to the new one
        :raises InvalidState: there is no such state
        :raises InvalidValue, ReadOnlyField, Conflict: as for :meth:`create`; after any error
            the object is as it was
        """
        if given := self._changed_columns():
            self._update(api.update, given)

    @remotable
    def soft_delete(self) -> None:
        """Mark the row as deleted, together with unsaved changes, in one UPDATE.

        A deleted row is found with ``show_deleted`` only, rejects writes, and stays deleted.
        Owned objects are deleted with it, in the same transaction.

        :raises ResourceNotFound: the row is gone, or deleted already
        :raises InvalidStateTransition: the row's state does not lead to DELETED
        """
        self._update(api.soft_delete, self._changed_columns())

    @remotable
    def destroy(self) -> None:
        """Remove the row, and those that it owns.

        :raises ResourceNotFound: the row is gone
        :raises Referenced: other rows refer to it; each class has its own error
        """
        key = self._key()
        with self._translate_db_errors():
            owned = api.destroy(self.table, key, self._context)
        if owned is None:
            raise self._not_found(key)
        self._refresh_from_write()
        _publish_changes(self._context, "destroy", owned)
        self._publish("destroy")

    def _to_create(self) -> dict[str, Any]:
        """Return the columns of a new row."""
        if self._is_stored():
            raise ovo_exception.ObjectActionError(action="create", reason="already created")
        given = self._initial() | self._changed_columns()
        if given.get("deleted_at") is not None:
            raise coercion.refuse("deleted_at", given["deleted_at"], "is soft_delete's to write")
        for name, field in self.fields.items():
            if not (field.nullable or name == "id" or name in given):
                raise coercion.refuse(name, None, "must have a value")
        return given

    def _initial(self) -> dict[str, Any]:
        given = dict(self.initial)
        if "uuid" in self.fields:
            given["uuid"] = uuidutils.generate_uuid()
        if moves := self.table.info["state_machine"]:
            given["state"] = moves.INITIAL
        return given

    def _update(self, verb: Any, given: dict[str, Any]) -> None:
        self._refuse_read_only(given)
        key = self._key()
        with self._translate_db_errors():
            done = verb(self.table, key, given, self._known_version(), context=self._context)
        self._finish_update(done)

    def _refuse_read_only(self, names: Iterable[str]) -> None:
        if frozen := READ_ONLY_FIELDS.intersection(names):
            raise exception.ReadOnlyField(objname=self.obj_name(), field=min(frozen))

    def _known_version(self) -> RowVersion:
        return RowVersion(*map(vars(self).get, ("_row_state", "_obj_updated_at")))

    def _finish_update(self, done: WriteResult | None) -> None:
        """Take the values that were written, and publish the change.

        :raises ResourceNotFound: the row does not exist
        """
        if done is None:
            raise self._not_found(self._key())
        self._refresh_from_write(done.cells, done.old_state)
        if done.owned:
            _publish_changes(self._context, "delete", done.owned)
        is_deleted = done.cells and done.cells[column_index(self.table, "deleted")] != 0
        self._publish("delete" if is_deleted else "update", done.old_state)

    @classmethod
    def _bulk_update(cls, context: Any, filters: Any, given: Any) -> list[Any]:
        """Change all rows that match the filters, and return them as objects."""
        if context is None:
            raise missing_context()
        return _publish_changes(context, "update", bulk.update(cls.table, filters, given, context))

    def _refresh_from_write(self, row: Cells | None = None, old_state: str | None = None) -> None:
        """Take the values that were written; a rollback restores the previous ones."""
        self._register_rollback()
        if row is None:
            self.obj_reset_changes()
            # What is changed inside one from now on, a rollback has to undo.
            self._expire_json()
        else:
            self._load_row(row)
        if old_state is not None:
            vars(self)["_old_state"] = old_state

    def _publish(self, kind: str, old_state: str | None = None) -> None:
        """After the commit, publish an event, and wake workers if the object now waits for one."""
        transaction = levels.current()
        if (kind == "create" or old_state is not None) and self._is_waiting():
            announce = functools.partial(wakeups.announce, self.table)
            announce() if transaction is None else transaction.after_commit.append(announce)
        if not events.has_subscribers():
            return
        obj = self if transaction is None else self.obj_clone()
        event = events.Event(self.resource, kind, self._context, obj, old_state)
        if transaction is None:
            events.publish(event)
        else:
            transaction.after_commit.append(functools.partial(events.publish, event))

    def _is_waiting(self) -> bool:
        machine = self.table.info["state_machine"]
        if machine is None or machine.WAITING is None:
            return False
        return vars(self).get("_obj_state") == machine.WAITING

    @contextmanager
    def _translate_db_errors(self) -> Iterator[None]:
        """Translate errors of the DB API into those of this class and its relations."""
        try:
            yield
        except exception.DuplicateKey as error:
            values = {name: getattr(self, name) for name in error.columns if name in self}
            taken = next(iter(values.values()), f"with the same {', '.join(error.columns)}")
            given = {"uuid": taken, self.resource: taken, **values, "fields": tuple(values)}
            # The messages of the classes are about uuids and names.
            by_id = f"A row with the id {taken} already exists" if "id" in values else None
            raise self.already_exists(by_id, **given) from error
        except exception.MissingReference as error:
            raise self._missing(error) from error
        except exception.Referenced as error:
            named = {"name": self.resource, self.resource: error.kwargs["id"]}
            raise self.referenced(**{**error.kwargs, **named}) from error
        except exception.InvalidStateTransition as error:
            events.publish(events.Event(self.resource, "refuse", self._context, self, error=error))
            raise

    def _missing(self, error: exception.MissingReference) -> Exception:
        if error.column not in self.table.columns:
            return error
        related = class_of(target(self.table.columns[error.column]))
        return related._not_found({"id": error.value})


def _not_objects(cls: type[Writable]) -> exception.InvalidParameter:
    allowed = f"a list of objects of {cls.obj_name()}"
    return exception.InvalidParameter(parameter="objects", parameter_type=allowed)


def _publish_changes(context: Any, kind: str, changes: Sequence[ChangedRow]) -> list[Any]:
    """Publish the changes of several rows, and return the rows as objects."""
    objects = []
    for change in changes:
        try:
            obj = class_of(change.table)._row_loader()(context, cells_of(change.table, change.row))
        except exception.DatabaseError as error:
            # The write has happened and stands.
            LOG.warning("Not published as %s: %s", kind, error)
            continue
        obj._old_state = change.old_state
        obj._publish(kind, change.old_state)
        objects.append(obj)
    return objects
