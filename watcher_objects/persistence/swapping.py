# SPDX-License-Identifier: Apache-2.0
"""Writes that keep the changes of other writers: compare-and-swap, and merge.

They are made in this process, and are not remotable.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import api
from watcher_objects.db.backend import database
from watcher_objects.db.sql import expectations
from watcher_objects.db.sql.expectations import Expected
from watcher_objects.db.sql.write_outcome import WriteResult
from watcher_objects.fields import coercion
from watcher_objects.persistence import attempts
from watcher_objects.persistence.finding import shows_deleted
from watcher_objects.persistence.reading import Readable
from watcher_objects.persistence.writing import Writable


class Swappable(Readable, Writable):
    """An object whose changes can be written without losing those of other writers."""

    def conditional_update(self, values: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
        """Write values if the row holds what is expected, in one UPDATE.

        Afterwards the object is equal to its row, except for its unsaved changes of other
        fields, which are kept.

        :param values: field -> new value, or an expression on columns of the table, such as
            ``EfficacyIndicator.table.c.value + 1``, for all fields but states and JSON documents
        :param expected: field -> a value, a tuple of values of which the row must hold one, or
            :class:`~watcher_objects.db.Not`; None is NULL. JSON documents can't be compared
        :returns: whether the values were written; False if the row holds something else
        :raises ResourceNotFound: the row is gone, or deleted
        :raises InvalidStateTransition: the row is as expected, and its state does not lead to
            the new one, as for :meth:`save`
        :raises UnknownField, ReadOnlyField, InvalidValue, InvalidState: an argument can't be
            used; after any error the object is as it was
        """
        self._require_database("conditional_update")
        return self._write_if(self._columns_of(values), expected)

    def save_if(self, **expected: Any) -> bool:
        """Write the fields that have changed, as :meth:`save` does, if the row is as expected.

        After False the object is equal to its row, except for its changes, which are still
        unsaved. With nothing changed nothing is written, and the row is only compared.

        :param expected: as for :meth:`conditional_update`, as keyword arguments
        :returns: whether the row was as expected
        :raises Exception: as for :meth:`conditional_update`
        """
        self._require_database("save_if")
        return self._write_if(self._changed_columns(), expected)

    def merge(self) -> None:
        """Write the difference from what was read over what others have written since.

        The UPDATE expects in each changed field what this object was read with. If the row holds
        something else, the changes are merged: fields and keys of JSON documents that only one
        side has changed take that change; lists are values like others. A state is not merged:
        the row must still be in the one that was read. Afterwards the object is equal to its row.

        :raises MergeConflict: both have changed the same value, and differently
        :raises InvalidStateTransition: the row's state has changed, or does not lead to the
            new one
        :raises NoMergeBase: it is not known what was read, as for an object that was received
            as a primitive
        :raises DatabaseUnavailable: others changed the row with each attempt until the deadline
        :raises ResourceNotFound, InvalidValue, Conflict: as for :meth:`save`; after any error
            the object is as it was
        """
        self._require_database("merge")
        if given := self._changed_columns():
            self._refuse_read_only(given)
            merge = attempts.Merge(self, given, self._merge_base(given))
            with self._translate_db_errors():
                done = merge.run()
            if merge.is_needless:
                self._refresh_from_write(done.cells)
            else:
                self._finish_update(done)

    @classmethod
    def modify(cls, context: Any, identity: int | str, function: Callable[[Self], object]) -> Self:
        """Read an object, call a function that changes it, and write the changes.

        If another writer has changed one of the same fields since the object was read, it is
        read again and the function called again, after a pause, until the deadline. In a
        transaction the row is locked instead. The function may run several times, so its other
        side effects must be idempotent; what it returns is ignored.

        :param context: the caller's context
        :param identity: an id or a uuid
        :param function: changes the object that it gets
        :returns: the object as it was written
        :raises DatabaseUnavailable: others changed the row with each attempt until the deadline
        :raises Exception: as for :meth:`get`, :meth:`save` and the function
        """
        cls._require_database("modify")
        if not callable(function):
            raise exception.InvalidParameter(parameter="function", parameter_type="a function")
        shows_deleted(context)
        key = cls._identity_key(identity)
        return attempts.Modification(cls, context, key, function).run()

    @classmethod
    def _require_database(cls, method: str) -> None:
        if database.find() is None:
            reason = f"{method}() is not remotable and needs a database in this process"
            raise exception.DatabaseNotConfigured(
                f"No database: {reason}; call watcher_objects.db.configure() first"
            )

    def _columns_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new values of columns, coerced except for expressions."""
        if not isinstance(values, Mapping) or not values:
            raise coercion.refuse("values", values, "must be a mapping of at least one field")
        given: dict[str, Any] = {}
        for name, value in values.items():
            self._check_column(name)
            if isinstance(value, sa.ColumnElement):
                given[name] = value
            else:
                given[name] = self.fields[name].coerce(self, name, value)
        return given

    def _check_column(self, name: Any) -> None:
        """Check that a name is that of a field with a column.

        :raises UnknownField: it is not
        """
        if name in self.object_fields:
            hint = f" in its table; use {self.object_fields[name][1]}"
            raise exception.UnknownField(objname=self.obj_name(), field=name, hint=hint)
        if name not in self.fields:
            raise self._unknown(str(name))

    def _write_if(self, given: dict[str, Any], expected: Mapping[str, Any]) -> bool:
        self._refuse_read_only(given)
        parsed = self._parse_expected(expected)
        changed = self.obj_what_changed()
        unsaved = self._unsaved(changed - given.keys())
        try:
            with self._translate_db_errors():
                done = self._update_if(given, parsed)
        except exception.UnexpectedValues as unmet:
            unsaved = self._unsaved(changed)
            self._refresh_from_write(unmet.cells)
            vars(self).update(unsaved)
            return False
        if given:
            self._finish_update(done)
            vars(self).update(unsaved)
        return True

    def _parse_expected(self, expected: Mapping[str, Any]) -> Expected:
        for name in expected if isinstance(expected, Mapping) else ():
            self._check_column(name)

        def coerce(name: str, value: Any) -> Any:
            return self.fields[name].coerce(self, name, value)

        return expectations.parse(self.table, expected, coerce)

    def _update_if(self, given: dict[str, Any], expected: Expected) -> WriteResult | None:
        """Write values if the row is as expected; without values only compare it."""
        key = self._key()
        if given:
            known = self._known_version()
            return api.update(self.table, key, given, known, expected, self._context)
        cells = api.get(self.table, key)
        if cells is None:
            raise self._not_found(key)
        expectations.check(self.table, cells, expected)
        return None

    def _unsaved(self, names: set[str]) -> dict[str, Any]:
        """Return the attributes that make up the unsaved changes of some fields."""
        if not names:
            return {}
        known = vars(self)
        kept = {f"_obj_{n}" for n in names} | {f"_row_{n}" for n in names & self._json_fields()}
        return {
            **{name: known[name] for name in kept & known.keys()},
            "_changed_fields": self._changed_fields & names,
            "_base": {name: self._base[name] for name in names & self._base.keys()},
        }

    def _merge_base(self, given: Iterable[str]) -> dict[str, Any]:
        """Return the values of changed fields when this object was read; JSON as text.

        :raises NoMergeBase: it is not known of one of them
        """
        known = vars(self)
        rows = {name: known.get(f"_row_{name}", self) for name in self._snapshot_fields()}
        texts = {name: text for name, text in rows.items() if isinstance(text, str | None)}
        base = {**self._base, **texts}
        for name in given:
            if self._is_received or name not in base:
                reason = "received as a primitive" if self._is_received else "not read before"
                raise exception.NoMergeBase(objname=self.obj_name(), field=name, reason=reason)
        return {name: base[name] for name in given}
