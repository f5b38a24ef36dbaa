# SPDX-License-Identifier: Apache-2.0
"""The mapping of rows and primitives to objects, and of objects to primitives."""

from collections.abc import Callable, Collection
from typing import Any, Self

from watcher_objects import exception
from watcher_objects.db.backend.database import current
from watcher_objects.db.sql.queries import RowSet
from watcher_objects.db.statements import Cells, row_to_dict
from watcher_objects.persistence import compiled, primitive_codec
from watcher_objects.persistence.change_tracking import ChangeTracking


class RowMapped(ChangeTracking):
    """An object that is loaded from a row, by generated code where possible."""

    def _to_primitive(self, version: str | None, manifest: Any) -> dict[str, Any]:
        changed = self.obj_what_changed()
        made_of: Any = type(self)
        data = primitive_codec.encoder(made_of)(self)
        version = version or self.VERSION
        if manifest or version != self.VERSION:
            self.obj_make_compatible_from_manifest(data, version, manifest)
        keys = self._primitive_keys()
        values = (self.obj_name(), self.OBJ_PROJECT_NAMESPACE, version, data)
        primitive: dict[str, Any] = dict(zip(keys, values, strict=False))
        if sent := [field for field in changed if field in data]:
            primitive[keys[-1]] = sent
        return primitive

    @classmethod
    def _from_data(
        cls, context: Any, data: dict[str, Any], changes: set[str], sent: Collection[str]
    ) -> Any:
        made_of: Any = cls
        self = primitive_codec.decoder(made_of)(context, data)
        known = vars(self)
        if "_obj_id" not in known or "id" in changes:
            # What its version did not know yet will be written with the rest.
            changes |= {n for n in data if n not in sent and f"_obj_{n}" in known}
        known["_changed_fields"] = changes
        known["_is_received"] = True
        if "_obj_state" in known and "state" not in changes:
            known["_row_state"] = known["_obj_state"]
        for name in cls._json_fields() & changes if changes else ():
            # There is no row that says it.
            if f"_row_{name}" in known:
                known[f"_obj_{name}"] = known.pop(f"_row_{name}")
        return self

    @classmethod
    def _check_row(cls, cells: Cells) -> None:
        """Load a row with all its JSON fields.

        :raises DatabaseError: the row holds what a field can't
        """
        loaded = cls._row_loader()(None, cells)
        for name in cls.fields.keys() & cls.table.columns.keys():
            getattr(loaded, name)

    @classmethod
    def _row_loader(cls) -> Callable[[Any, Cells], Any]:
        """Return a function that creates an object from a context and the cells of a row."""
        made_of: Any = cls
        return compiled.row_loader(made_of, current().backend)

    @classmethod
    def _from_rows(cls, context: Any, found: RowSet) -> list[Any]:
        """Return new objects for rows, each with related objects of its own."""
        load = cls._row_loader()
        made = [load(context, row) for row in found.rows]
        for name, others in found.related.items():
            related, key = cls.object_fields[name]
            load = related._row_loader()
            for obj in made:
                ident = getattr(obj, f"_obj_{key}")
                row = others.get(ident)
                if row is not None:
                    vars(obj)[f"_obj_{name}"] = load(context, row)
                elif ident is None:
                    vars(obj)[f"_obj_{name}"] = None
        return made

    def _load_row(self, cells: Cells) -> None:
        """Take the values of a row; related objects are kept if their ids have not changed.

        :raises DatabaseError: the row holds what a field can't
        """
        known = vars(self)
        known.update(vars(self._row_loader()(self._context, cells)))
        for name in ("_changed_fields", "_base", "_is_received"):
            known.pop(name, None)
        self._expire_json()
        self._expire_relations()

    @classmethod
    def _from_row_coerced(cls, context: Any, cells: Cells) -> Self:
        """Return an object from a row, coerced by its fields.

        :raises DatabaseError: the row holds what a field can't
        """
        self, row = object.__new__(cls), row_to_dict(cls.table, cells)
        columns = (cls.fields.keys() & row.keys()) - cls._json_fields()
        try:
            fresh = {f"_obj_{n}": cls.fields[n].coerce(self, n, row[n]) for n in columns}
            for name in cls._json_fields():
                cls.fields[name].coerce(self, name, row[name])
        except ValueError as error:
            raise self._unusable(row["id"], error) from error
        vars(self).update(fresh, _context=context)
        vars(self).update({f"_row_{name}": row[name] for name in cls._snapshot_fields()})
        return self

    def _unusable(self, ident: Any, error: Exception) -> exception.DatabaseError:
        reason = f"row {ident} of {self.table.name} can't be loaded: {error}"
        return exception.DatabaseError(reason=reason)

    def _decode_json(self, name: str, source: Any) -> Any:
        """Return a JSON value, decoded by its field from the text of a row or a primitive."""
        try:
            return self.fields[name].coerce(self, name, source)
        except ValueError as error:
            raise self._unusable(vars(self).get("_obj_id"), error) from error


def missing_context() -> exception.InvalidParameter:
    """Return the error for a missing context."""
    allowed = "a context like oslo_context.context.RequestContext, not None"
    return exception.InvalidParameter(parameter="context", parameter_type=allowed)
