# SPDX-License-Identifier: Apache-2.0
"""The verbs that write: create, save, soft_delete and destroy."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from oslo_utils import uuidutils
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import coercion, events, exception
from watcher_objects.db import api, bulk, filters, transactions
from watcher_objects.db.changes import Change
from watcher_objects.db.queries import class_of
from watcher_objects.db.statements import Cells, place
from watcher_objects.db.statements import cells as cells_of
from watcher_objects.hydration import RowObject, check_context
from watcher_objects.tracking import FROZEN

LOG = logging.getLogger(__name__)


class Writable(RowObject):
    """An object that can be stored in its table.

    Every write is one transaction; after an error the object is as it was. What was written
    is told by :mod:`watcher_objects.events` once it is committed.
    """

    @classmethod
    def create_many(cls, context: Any, objects: Iterable[Self]) -> None:
        """Store objects of this class, all or none, in few statements; else as :meth:`create`.

        :param context: for the objects that have none of their own
        :param objects: what to store; each of them once
        :raises InvalidParameter: one is of another class, or there is no context
        :raises Exception: as for :meth:`create`; the error's ``index`` tells for which object.
            All of them are as they were
        """
        check_context(context)
        if not isinstance(objects, Iterable):
            raise _not_objects(cls)
        new = list(objects)
        with exception.placed("objects"):
            rows = cls._obj_create_rows(new)
        for obj, row in zip(new, rows, strict=True):
            obj._obj_wrote(row)
            obj._context = obj._context or context
        for obj in new:
            obj._obj_tell("create")

    @classmethod
    def _obj_create_rows(cls, objects: Sequence[Self]) -> Sequence[Cells]:
        given = []
        seen: set[int] = set()
        for index, obj in enumerate(objects):
            with exception.at(index):
                cls._obj_check_new(obj, seen)
                given.append(obj._obj_to_create())
        try:
            return bulk.create(cls.table, given)
        except exception.WatcherException as error:
            if not hasattr(error, "index"):
                raise
            with exception.at(error.index), objects[error.index]._obj_typed_errors():
                raise

    @classmethod
    def _obj_check_new(cls, obj: Any, seen: set[int]) -> None:
        if type(obj) is not cls:
            raise _not_objects(cls)
        if id(obj) in seen:
            raise ovo_exception.ObjectActionError(action="create_many", reason="given twice")
        seen.add(id(obj))

    @ovo.remotable
    def create(self):
        """Store the object; it is equal to its row then, and clean.

        What was not set is filled in: a uuid, the time, the first state.

        :raises ObjectActionError: it is stored already
        :raises InvalidValue: a field can't be stored, or has no value and needs one
        :raises Conflict: the uuid or the name is taken; each class has its own error
        :raises ResourceNotFound: a relation leads nowhere; the error is the related class's
        """
        given = self._obj_to_create()
        with self._obj_typed_errors():
            cells = api.create(self.table, given)
        self._obj_wrote(cells)
        self._obj_tell("create")

    @ovo.remotable
    def save(self):
        """Write the fields that have changed; the object is equal to its row then, and clean.

        With nothing changed, nothing is written. A new state is written only if the row is in
        one that leads to it; writing the state DELETED is :meth:`soft_delete`.

        :raises ResourceNotFound: the row is gone, or deleted
        :raises InvalidStateTransition: the row's state does not lead to the new one
        :raises InvalidState: there is no such state
        :raises InvalidValue, ReadOnlyField, Conflict: as for :meth:`create`; after any error
            the object is as it was
        """
        if given := self._obj_given():
            self._obj_update(api.update, given)

    @ovo.remotable
    def soft_delete(self):
        """Mark the row as deleted, with the changes not saved yet, in one UPDATE.

        A deleted row is found with ``show_deleted`` only, takes no write, and stays deleted.
        What it owns goes with it, in the same transaction.

        :raises ResourceNotFound: the row is gone, or deleted already
        :raises InvalidStateTransition: the row's state does not lead to DELETED
        """
        self._obj_update(api.soft_delete, self._obj_given())

    @ovo.remotable
    def destroy(self):
        """Remove the row for good, and what it owns.

        :raises ResourceNotFound: the row is gone
        :raises Referenced: other rows refer to it; each class has its own error
        """
        key = self._obj_key()
        with self._obj_typed_errors():
            owned = api.destroy(self.table, key)
        if owned is None:
            raise self._obj_none(key)
        self._obj_wrote()
        _told(self._context, "destroy", owned)
        self._obj_tell("destroy")

    def _obj_to_create(self) -> dict[str, Any]:
        """Return the columns of a new row."""
        if self._obj_is_stored():
            raise ovo_exception.ObjectActionError(action="create", reason="already created")
        given = self._obj_initial() | self._obj_given()
        if given.get("deleted_at") is not None:
            raise coercion.refuse("deleted_at", given["deleted_at"], "is soft_delete's to write")
        for name, field in self.fields.items():
            if not (field.nullable or name == "id" or name in given):
                raise coercion.refuse(name, None, "must have a value")
        return given

    def _obj_given(self) -> dict[str, Any]:
        """Return the changed fields that are columns."""
        changed = self.obj_what_changed().intersection(self.table.columns.keys())
        # What was changed inside a document, its field has not seen yet.
        return {n: self.fields[n].coerce(self, n, getattr(self, n)) for n in changed}

    def _obj_initial(self) -> dict[str, Any]:
        given = dict(self.initial)
        if "uuid" in self.fields:
            given["uuid"] = uuidutils.generate_uuid()
        if moves := self.table.info["moves"]:
            given["state"] = moves.INITIAL
        return given

    def _obj_update(self, verb: Any, given: dict[str, Any]) -> None:
        if frozen := FROZEN & given.keys():
            raise exception.ReadOnlyField(objname=self.obj_name(), field=min(frozen))
        key = self._obj_key()
        with self._obj_typed_errors():
            known = map(vars(self).get, ("_row_state", "_obj_updated_at"))
            done = verb(self.table, key, given, *known)
        if done is None:
            raise self._obj_none(key)
        self._obj_wrote(done.cells, done.old_state)
        _told(self._context, "delete", done.owned)
        is_deleted = done.cells[place(self.table, "deleted")] != 0
        self._obj_tell("delete" if is_deleted else "update", done.old_state)

    @classmethod
    def _obj_update_all(cls, context: Any, wanted: Any, given: Any) -> list[Any]:
        """Change all rows that meet the filters, and return them as objects."""
        check_context(context)
        return _told(context, "update", bulk.update(cls.table, wanted, given))

    def _obj_wrote(self, row: Cells | None = None, old_state: str | None = None) -> None:
        """Become what was written; after a rollback be what it was."""
        self._obj_keep_for_rollback()
        if row is None:
            self.obj_reset_changes()
            # What is changed inside one from now on, a rollback has to undo.
            self._obj_forget_documents()
        else:
            self._obj_become(row)
        if old_state is not None:
            self._old_state = old_state

    def _obj_tell(self, kind: str, old_state: str | None = None) -> None:
        """Tell after the commit what was written."""
        is_told_later = transactions.in_transaction() or events.is_telling()
        obj = self.obj_clone() if is_told_later else self
        event = events.Event(self.resource, kind, self._context, obj, old_state)
        transactions.after_commit(lambda: events.publish(event))

    @contextmanager
    def _obj_typed_errors(self) -> Iterator[None]:
        """Tell the errors of the DB API as those of this class and its relations."""
        try:
            yield
        except exception.DuplicateKey as error:
            told = {name: getattr(self, name) for name in error.columns if name in self}
            taken = next(iter(told.values()), f"with the same {', '.join(error.columns)}")
            told = {"uuid": taken, self.resource: taken, **told}
            # The messages tell of names.
            by_id = f"There is a row with the id {taken} already" if "id" in told else None
            raise self.already_exists(by_id, **told) from error
        except exception.MissingReference as error:
            raise self._obj_missing(error) from error
        except exception.Referenced as error:
            told = {"name": self.resource, self.resource: error.kwargs["id"]}
            raise self.referenced(**{**error.kwargs, **told}) from error
        except exception.InvalidStateTransition as error:
            events.publish(events.Event(self.resource, "refuse", self._context, self, error=error))
            raise

    def _obj_missing(self, error: exception.MissingReference) -> Exception:
        if error.column not in self.table.columns:
            return error
        related = class_of(filters.target(self.table.columns[error.column]))
        return related._obj_none({"id": error.value})


def _not_objects(cls: type[Writable]) -> exception.InvalidParameter:
    allowed = f"a list of objects of {cls.obj_name()}"
    return exception.InvalidParameter(parameter="objects", parameter_type=allowed)


def _told(context: Any, kind: str, changes: Sequence[Change]) -> list[Any]:
    """Tell of rows that were changed along with others, and return them as objects."""
    objects = []
    for change in changes:
        try:
            obj = class_of(change.table)._obj_made(context, cells_of(change.table, change.row))
        except exception.DatabaseError as error:
            # The write has happened and stands.
            LOG.warning("Not told as %s: %s", kind, error)
            continue
        obj._old_state = change.old_state
        obj._obj_tell(kind, change.old_state)
        objects.append(obj)
    return objects
