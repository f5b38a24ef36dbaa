# SPDX-License-Identifier: Apache-2.0
"""Rows and primitives to objects, and objects to primitives."""

from collections.abc import Collection, Sequence
from typing import Any

from watcher_objects import compiled, exception
from watcher_objects.db.engine import get_engine
from watcher_objects.db.queries import parts
from watcher_objects.db.statements import Cells, named
from watcher_objects.tracking import Tracked
from watcher_objects.waiting import document


class RowObject(Tracked):
    """An object that is made of a row; what of that can be is compiled."""

    def _obj_newest(self) -> dict[str, Any]:
        changed = self.obj_what_changed()
        made_of: Any = type(self)
        data = compiled.teller(made_of)(self)
        name, namespace, version, told, changes = self._obj_primitive_keys()
        primitive = {
            name: self.obj_name(),
            namespace: self.OBJ_PROJECT_NAMESPACE,
            version: self.VERSION,
            told: data,
        }
        if told_changes := [field for field in changed if field in data]:
            primitive[changes] = told_changes
        return primitive

    @classmethod
    def _obj_from_data(
        cls, context: Any, data: dict[str, Any], changes: set[str], sent: Collection[str]
    ) -> Any:
        self = object.__new__(cls)
        made_of: Any = cls
        compiled.taker(made_of)(self, context, data)
        known = vars(self)
        if "_obj_id" not in known or "id" in changes:
            # What its version did not know yet will be written with the rest.
            changes |= {n for n in data if n not in sent and f"_obj_{n}" in known}
        known["_changed_fields"] = changes
        if "_obj_state" in known and "state" not in changes:
            known["_row_state"] = known["_obj_state"]
        for name in cls._obj_documents() & changes if changes else ():
            # There is no row that says it.
            if f"_row_{name}" in known:
                known[f"_obj_{name}"] = known.pop(f"_row_{name}")
        return self

    @classmethod
    def _obj_made(cls, context: Any, cells: Cells, eager: Sequence[str] = ()) -> Any:
        """Return a new object for a row, with the related ones whose cells follow the row's."""
        (made,) = cls._obj_all_made(context, [cells], eager)
        return made

    @classmethod
    def _obj_all_made(
        cls, context: Any, rows: Sequence[Cells], eager: Sequence[str] = ()
    ) -> list[Any]:
        """Return new objects for rows, as above."""
        made_of: Any = cls
        fill = compiled.filler(made_of, get_engine().dialect.name)
        width = len(cls.table.columns)
        made = []
        for row in rows:
            obj = object.__new__(cls)
            cells = row[:width] if eager else row
            if not fill(obj, context, cells):
                obj._obj_fill_slowly(context, cells)
            made.append(obj)
        for name, begin, end, ident in parts(cls.table, eager) if eager else ():
            related = cls.object_fields[name][0]
            found = [row[begin:end] for row in rows if row[ident] is not None]
            others = iter(related._obj_all_made(context, found))
            for obj, row in zip(made, rows, strict=True):
                vars(obj)[f"_obj_{name}"] = None if row[ident] is None else next(others)
        return made

    def _obj_become(self, cells: Cells) -> None:
        """Be what the row says, and clean; related objects stay while they are the right ones.

        :raises DatabaseError: the row holds what a field can't
        """
        made_of: Any = type(self)
        fill = compiled.filler(made_of, get_engine().dialect.name)
        if not fill(self, self._context, cells):
            self._obj_fill_slowly(self._context, cells)
        vars(self).pop("_changed_fields", None)
        self._obj_forget_documents()
        for name in self.object_fields:
            self._obj_forget_other(name)

    def _obj_fill_slowly(self, context: Any, cells: Cells) -> None:
        row = named(self.table, cells)
        columns = (self.fields.keys() & row.keys()) - self._obj_documents()
        try:
            fresh = {f"_obj_{n}": self.fields[n].coerce(self, n, row[n]) for n in columns}
            for name in self._obj_documents():
                self.fields[name].coerce(self, name, row[name])
        except ValueError as error:
            raise self._obj_unusable(row["id"], error) from error
        vars(self).update(fresh, _context=context)
        vars(self).update({f"_row_{name}": row[name] for name in self._obj_tracked()})

    def _obj_unusable(self, ident: Any, error: Exception) -> exception.DatabaseError:
        reason = f"row {ident} of {self.table.name} can't be loaded: {error}"
        return exception.DatabaseError(reason=reason)

    def _obj_read(self, name: str, source: Any) -> Any:
        """Return the value of a document, whose text the row had."""
        try:
            return document(self.fields[name], name, source)
        except ValueError as error:
            raise self._obj_unusable(vars(self).get("_obj_id"), error) from error


def check_context(context: Any) -> None:
    """Refuse None where a caller's context is needed."""
    if context is None:
        allowed = "a context like oslo_context.context.RequestContext, not None"
        raise exception.InvalidParameter(parameter="context", parameter_type=allowed)
