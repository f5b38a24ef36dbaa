# SPDX-License-Identifier: Apache-2.0
"""The verbs that write: create, save, soft_delete and destroy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oslo_utils import uuidutils
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import events, exception, fields
from watcher_objects.db import api, transactions
from watcher_objects.db.queries import Row
from watcher_objects.hydration import FROZEN, RowObject


class Writable(RowObject):
    """An object that can be stored in its table.

    Every write is one transaction; after an error the object is as it was. What was written
    is told by :mod:`watcher_objects.events` once it is committed.
    """

    @ovo.remotable
    def create(self):
        """Store the object; it is equal to its row then, and clean.

        What was not set is filled in: a uuid, the time, the first state.

        :raises ObjectActionError: it is stored already
        :raises InvalidValue: a field can't be stored, or has no value and needs one
        :raises Conflict: the uuid or the name is taken; each class has its own error
        :raises ResourceNotFound: a relation leads nowhere; the error is the related class's
        """
        if self._obj_is_stored():
            raise ovo_exception.ObjectActionError(action="create", reason="already created")
        given = self._obj_initial() | self._obj_given()
        if given.get("deleted_at") is not None:
            raise fields.refuse("deleted_at", given["deleted_at"], "is soft_delete's to write")
        for name, field in self.fields.items():
            if not (field.nullable or name == "id" or name in given):
                raise fields.refuse(name, None, "must have a value")
        with self._obj_typed_errors():
            row = api.create(self.table, given)
        self._obj_wrote("create", row)

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
        """Mark the row as deleted, with the changes not saved yet, in one statement.

        A deleted row is found with ``show_deleted`` only, takes no write, and stays deleted.

        :raises ResourceNotFound: the row is gone, or deleted already
        :raises InvalidStateTransition: the row's state does not lead to DELETED
        """
        self._obj_update(api.soft_delete, self._obj_given())

    @ovo.remotable
    def destroy(self):
        """Remove the row for good.

        :raises ResourceNotFound: the row is gone
        :raises Referenced: other rows refer to it; each class has its own error
        """
        key = self._obj_key()
        with self._obj_typed_errors():
            if not api.destroy(self.table, key):
                raise self._obj_none(key)
        self._obj_wrote("destroy")

    def _obj_given(self) -> dict[str, Any]:
        """Return the changed fields that are columns."""
        changed = self.obj_what_changed().intersection(self.table.columns.keys())
        return {name: getattr(self, name) for name in changed}

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
            done = verb(self.table, key, given, self._stored.get("state"))
        if done is None:
            raise self._obj_none(key)
        self._obj_wrote("delete" if done.row["deleted"] else "update", done.row, done.old_state)

    def _obj_wrote(self, kind: str, row: Row | None = None, old_state: str | None = None) -> None:
        """Become what was written, tell it after the commit, undo it after a rollback."""
        self._obj_keep_for_rollback()
        if row is None:
            self.obj_reset_changes()
        else:
            self._obj_become(row)
        if old_state is not None:
            self._old_state = old_state
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
            taken = next(iter(told.values()), None)
            raise self.already_exists(**{"uuid": taken, self.resource: taken, **told}) from error
        except exception.MissingReference as error:
            raise self._obj_missing(error) from error
        except exception.Referenced as error:
            raise self.referenced(**{self.resource: error.kwargs["id"]}) from error

    def _obj_missing(self, error: exception.MissingReference) -> Exception:
        for related, key in self.object_fields.values():
            if key == error.column:
                return related.not_found(**{related.resource: error.value})
        return error
