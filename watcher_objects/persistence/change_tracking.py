# SPDX-License-Identifier: Apache-2.0
"""Dirty tracking: what an object knows of its row, and which fields differ."""

import difflib
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self

import sqlalchemy as sa
from oslo_versionedobjects import base as ovo

from watcher_objects import exception
from watcher_objects.db.backend import database
from watcher_objects.db.sql import values
from watcher_objects.db.sql.queries import Key
from watcher_objects.db.transactions import levels
from watcher_objects.fields import coercion
from watcher_objects.persistence.lazy_json import LazyChangeSet
from watcher_objects.persistence.registry import Relations
from watcher_objects.versions.primitives import Versioned

#: What only the database writes, once the object is stored.
READ_ONLY_FIELDS = frozenset({"id", "uuid", "created_at", "updated_at", "deleted_at"})


class ChangeTracking(Versioned, ovo.VersionedObjectDictCompat):
    """A versioned object whose fields, except related objects, are columns of a table."""

    #: The table; its columns have the names of the fields.
    table: ClassVar[sa.Table]
    #: What the object is called in events and errors; of a transition it is a field.
    resource: Any
    #: Field of a related object -> (its class, the field that holds its id).
    object_fields: ClassVar[Any] = Relations()
    #: What create() fills in where nothing was set.
    initial: ClassVar[Mapping[str, Any]] = {}
    #: The errors of this class.
    not_found: ClassVar[type[exception.ResourceNotFound]]
    already_exists: ClassVar[type[exception.Conflict]]
    referenced: ClassVar[type[exception.Referenced]] = exception.Referenced

    id: Any
    uuid: Any

    # ``_row_...`` is what the row said of documents, which may be changed inside, and of the
    # state, whose stored value decides what may follow.
    _old_state: str | None = None
    _changed_fields = LazyChangeSet()
    # What other fields held before they were changed, as far as that is known. The mapping is
    # replaced, not changed: copies of an object share it.
    _base: Mapping[str, Any] = {}
    # Whether the object came as a primitive, and has not been equal to its row since.
    _is_received = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Give each class its own relations."""
        super().__init_subclass__(**options)
        if "object_fields" not in vars(cls):
            cls.object_fields = Relations()

    def _set_field(self, name: str, value: Any) -> None:
        if name[0] == "_" or name == "VERSION":
            return object.__setattr__(self, name, value)
        # Fields are properties, too; of what else a class has, nothing is an object's to set.
        known = getattr(type(self), name, None)
        if not isinstance(known, property) or known.fset is None:
            raise self._unknown(name)
        if name in READ_ONLY_FIELDS and self._is_stored():
            self._refuse_change(name, value)
        if name in self.object_fields:
            value = self.fields[name].coerce(self, name, value)
            related_id = None if value is None else value.id
            self._assign(self.object_fields[name][1], related_id)
        self._assign(name, value)
        for field, (_, key) in self.object_fields.items():
            if key == name and f"_obj_{field}" in vars(self):
                self._expire_relation(field)
        return None

    def _assign(self, name: str, value: Any) -> None:
        """Set a field, and remember its previous value if that was the one of the row."""
        known = vars(self)
        was_changed = name in self._changed_fields
        before = known.get(f"_obj_{name}", self)
        super().__setattr__(name, value)
        # Without a value, the object itself stands for it.
        if not was_changed and before is not self and name not in self._snapshot_fields():
            known["_base"] = {**self._base, name: before}

    if not TYPE_CHECKING:
        # With it, a checker would allow any name.
        __setattr__ = _set_field

    def _unknown(self, name: str) -> exception.UnknownField:
        near = difflib.get_close_matches(name, self.fields, n=1, cutoff=0)
        hint = f"; the nearest is {near[0]}" if near else ""
        return exception.UnknownField(objname=self.obj_name(), field=name, hint=hint)

    def _changed_columns(self) -> dict[str, Any]:
        """Return the changed fields that are columns."""
        given = {}
        for name in self.obj_what_changed().intersection(self.table.columns.keys()):
            given[name] = getattr(self, name)
            if name in self._json_fields():
                # What was changed inside a document, its field has not seen yet.
                given[name] = self.fields[name].coerce(self, name, given[name])
        return given

    def __delattr__(self, name: str) -> None:
        if name in READ_ONLY_FIELDS and self._is_stored():
            raise exception.ReadOnlyField(objname=self.obj_name(), field=name)
        if name in self._json_fields() and self.obj_attr_is_set(name):
            # Not to be read again.
            vars(self).pop(f"_row_{name}", None)
        super().__delattr__(name)
        self._changed_fields.discard(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChangeTracking) or type(other) is not type(self):
            return NotImplemented
        return self._columns() == other._columns()

    def __hash__(self) -> int:
        return hash((self.obj_name(), vars(self).get("_obj_uuid")))

    def __repr__(self) -> str:
        shown = (name for name in ("id", "uuid", "state") if name in self.fields)
        parts = (f"{n}={getattr(self, n) if self.obj_attr_is_set(n) else '?'}" for n in shown)
        return f"{self.obj_name()}({', '.join(parts)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copy = super().__deepcopy__(memo)
        vars(copy).update({name: vars(self)[name] for name in self._extra_state()})
        return copy

    def _extra_state(self) -> Iterable[str]:
        """Return the names of attributes, other than fields, that a copy keeps."""
        kept = {"_old_state", "_left_over", "_base", "_is_received"}
        kept.update(f"_row_{name}" for name in self._snapshot_fields())
        return kept & vars(self).keys()

    @property
    def old_state(self) -> str | None:
        """The state that the row was in before this object last changed it; else None."""
        return self._old_state

    def obj_what_changed(self) -> set[str]:
        """Return the fields that differ from the row, including JSON that was changed in place.

        Under ``strict`` any state that was assigned is one: it is a request, whatever was read.
        """
        # Not super's: what changed in a related object is that object's to save.
        known = vars(self)
        assigned = known.get("_changed_fields")
        changed = self.fields.keys() & assigned if assigned else set()
        for name, row, attribute in self._snapshots():
            # What nobody has read, nobody has changed.
            if row not in known or attribute not in known:
                continue
            if name == "state" and name in changed and database.get_profile() == "strict":
                continue
            stored, value = known[row], known[attribute]
            same = stored == value if name == "state" else self._json_equal(name, stored, value)
            if same:
                changed.discard(name)
            else:
                changed.add(name)
        return changed

    @classmethod
    @functools.cache
    def _snapshots(cls) -> Sequence[tuple[str, str, str]]:
        """Return each field of :meth:`_snapshot_fields`, and the attributes of its two values."""
        return [(name, f"_row_{name}", f"_obj_{name}") for name in cls._snapshot_fields()]

    def _json_equal(self, name: str, stored: str | None, value: Any) -> bool:
        """Return whether a JSON text equals a value; unlike with ``==``, True is not 1."""
        with suppress(TypeError, ValueError):
            if stored == _as_json(value):
                return True
            # None is an empty document to some fields, and to others not.
            loaded = self.fields[name].coerce(self, name, stored)
            return _as_json(loaded, sort_keys=True) == _as_json(value, sort_keys=True)
        # Data from another program may exceed our limits; reading it does not change it.
        with suppress(TypeError, ValueError, RecursionError):
            loaded = json.loads(stored or "null")
            return json.dumps(loaded, sort_keys=True) == json.dumps(value, sort_keys=True)
        return False

    def obj_reset_changes(self, fields: Any = None, recursive: bool = False) -> None:
        """Mark fields as unchanged: all of them, or those named."""
        super().obj_reset_changes(fields, recursive)
        self._take_snapshot(fields or self.fields)

    @classmethod
    def _not_found(cls, key: Key) -> exception.ResourceNotFound:
        """Return the error for a row that does not exist."""
        (value,) = key.values()
        return cls.not_found(**{cls.resource: value})

    @classmethod
    def _id_key(cls, ident: Any) -> Key:
        """Return the key of the row with this id.

        :raises ResourceNotFound: no row can have this id"""
        key = {"id": coercion.to_integer("id", ident)}
        if abs(key["id"]) > values.largest(cls.table.c.id):
            raise cls._not_found(key)
        return key

    def _key(self) -> Key:
        if "uuid" in self.fields:
            return {"uuid": self.uuid}
        return self._id_key(self.id)

    @classmethod
    @functools.cache
    def _json_fields(cls) -> frozenset[str]:
        """Return the names of the JSON fields."""
        # A class that is none of ours may have no table.
        columns = cls.table.columns if hasattr(cls, "table") else ()
        documents = {column.name for column in columns if "json" in column.info}
        return frozenset(cls.fields.keys() & documents)

    @classmethod
    @functools.cache
    def _snapshot_fields(cls) -> frozenset[str]:
        """Return the names of the fields of which an object keeps the stored value."""
        return cls._json_fields() | (cls.fields.keys() & {"state"})

    def _take_snapshot(self, names: Iterable[str]) -> None:
        """Take the values of these fields as the stored ones."""
        known = vars(self)
        for name in self._snapshot_fields().intersection(names):
            if f"_obj_{name}" not in known and name in self._json_fields():
                continue
            known.pop(f"_row_{name}", None)
            # JSON cannot represent the value, so no row can contain it.
            with suppress(KeyError, TypeError, ValueError):
                value = known[f"_obj_{name}"]
                known[f"_row_{name}"] = value if name == "state" else _as_json(value)

    def _is_stored(self) -> bool:
        return "_obj_id" in vars(self) and "id" not in self._changed_fields

    def _refuse_change(self, name: str, value: Any) -> None:
        coerced = self.fields[name].coerce(self, name, value)
        if not self.obj_attr_is_set(name) or getattr(self, name) != coerced:
            raise exception.ReadOnlyField(objname=self.obj_name(), field=name)

    def _expire_json(self) -> None:
        """Discard decoded JSON fields, so that they are decoded again on access."""
        for name in self._json_fields():
            if f"_row_{name}" in vars(self):
                vars(self).pop(f"_obj_{name}", None)

    def _expire_relations(self) -> None:
        """Drop the related objects whose ids have changed."""
        for field in self.object_fields:
            if f"_obj_{field}" in vars(self):
                self._expire_relation(field)

    def _expire_relation(self, field: str) -> None:
        """Drop a related object if its id has changed."""
        related = getattr(self, field)
        if (related.id if related else None) != getattr(self, self.object_fields[field][1]):
            delattr(self, field)

    def _without_relations(self) -> Self:
        """Return a copy that has no related objects."""
        alone = object.__new__(type(self))
        vars(alone).update(vars(self))
        for name in self.object_fields:
            vars(alone).pop(f"_obj_{name}", None)
        vars(alone)["_changed_fields"] = self._changed_fields - self.object_fields.keys()
        return alone

    def _columns(self) -> dict[str, Any]:
        named = self.fields.keys() - self.object_fields.keys()
        return {name: getattr(self, name) for name in named if self.obj_attr_is_set(name)}

    def _register_rollback(self) -> None:
        """Restore the current values if the current transaction is rolled back."""
        transaction = levels.current()
        if transaction is not None:
            before = {**vars(self), "_changed_fields": set(self._changed_fields)}
            transaction.after_rollback.append(lambda: self._restore(before))

    def _restore(self, before: dict[str, Any]) -> None:
        vars(self).clear()
        vars(self).update(before)


def _as_json(value: Any, sort_keys: bool = False) -> str | None:
    if value is None:
        return None
    if problem := values.beyond_bounds(value):
        raise ValueError(problem)
    return json.dumps(value, sort_keys=sort_keys)
