# SPDX-License-Identifier: Apache-2.0
"""What an entity inherits: an oslo.versionedobjects object that is a row of a table.

An entity is a declaration: its fields, its table, its relations, its rules and its errors;
see :class:`~watcher_objects.hydration.RowObject` for the names. The verbs come from
:mod:`watcher_objects.reading` and :mod:`watcher_objects.writing`.
"""

import difflib
from typing import Any

from oslo_versionedobjects import base as ovo

from watcher_objects import exception, fields
from watcher_objects.reading import Readable
from watcher_objects.writing import Writable

remotable = ovo.remotable


class WatcherObjectRegistry(ovo.VersionedObjectRegistry):
    """The register of the objects, by name and version."""


class WatcherObject(ovo.VersionedObject):
    """A versioned object that Watcher's services understand."""

    OBJ_SERIAL_NAMESPACE = "watcher_object"
    OBJ_PROJECT_NAMESPACE = "watcher"

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in self.fields:
                raise self._obj_unknown(name)
        super().__init__(context, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        # Fields are properties, too; of what else a class has, nothing is an object's to set.
        is_ours = name.startswith("_") or name == "VERSION"
        if not (is_ours or isinstance(getattr(type(self), name, None), property)):
            raise self._obj_unknown(name)
        super().__setattr__(name, value)

    def _obj_unknown(self, name: str) -> exception.UnknownField:
        near = difflib.get_close_matches(name, self.fields, n=1, cutoff=0)
        hint = f"; the nearest is {near[0]}" if near else ""
        return exception.UnknownField(objname=self.obj_name(), field=name, hint=hint)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are set and their values."""
        return {name: getattr(self, name) for name in self.fields if self.obj_attr_is_set(name)}


class WatcherObjectDictCompat(ovo.VersionedObjectDictCompat):
    """Access to the fields of an object as if it were a dict."""


class WatcherPersistentObject(  # type: ignore[misc]
    Readable, Writable, WatcherObject, WatcherObjectDictCompat
):
    """A versioned object that is stored in a table; its ``get`` finds one, no field.

    All remotable methods need the object's context, and raise OrphanedObjectError without.
    """

    fields = {
        "created_at": fields.DateTimeField(nullable=True),
        "updated_at": fields.DateTimeField(nullable=True),
        "deleted_at": fields.DateTimeField(nullable=True),
    }

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        super().__init__(context, **kwargs)
        self.obj_set_defaults()
