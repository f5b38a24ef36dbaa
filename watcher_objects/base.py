# SPDX-License-Identifier: Apache-2.0
"""The base class of entities: an oslo.versionedobjects object that is stored as a row.

An entity is a declaration: its fields, its table, its relations, its rules and its errors;
see :class:`~watcher_objects.persistence.row_mapper.RowMapped` for the names. The verbs come from
:mod:`watcher_objects.persistence.reading`, :mod:`watcher_objects.persistence.writing` and
:mod:`watcher_objects.persistence.swapping`.
"""

import copy
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from watcher_objects import exception, fields, versions
from watcher_objects.persistence import compiled
from watcher_objects.persistence.finding import Identified as Identified
from watcher_objects.persistence.finding import Named as Named
from watcher_objects.persistence.registry import remotable as remotable
from watcher_objects.persistence.row_mapper import RowMapped
from watcher_objects.persistence.swapping import Swappable
from watcher_objects.versions.primitives import Versioned

VersionedObject = TypeVar("VersionedObject", bound=ovo.VersionedObject)


def get_attrname(name: str) -> str:
    """Return the attribute in which an object keeps the value of a field."""
    return f"_obj_{name}"


class WatcherObjectRegistry(ovo.VersionedObjectRegistry):
    """The registry of object classes by name and version; also a class decorator."""

    #: The classes that are used in notifications only.
    notification_classes: ClassVar[list[type[ovo.VersionedObject]]] = []

    def registration_hook(self, cls: type[ovo.VersionedObject], index: int) -> None:
        """Compile what the class's objects do most often."""
        if issubclass(cls, RowMapped):
            compiled.install(cls)
            versions.clear_caches()
            if hasattr(cls, "table"):
                # For what reads all rows of a table, like `db check`.
                cls.table.info.setdefault("load", cls._check_row)

    @classmethod
    def register_notification(cls, obj_cls: type[VersionedObject]) -> type[VersionedObject]:
        """Prepare a class of notifications; its name is not taken from other objects."""
        cls.register_if(False)(obj_cls)
        cls.notification_classes.append(obj_cls)
        return obj_cls

    @classmethod
    def register_notification_objects(cls) -> None:
        """Register the classes of notifications as well, for tests and documentation."""
        for obj_cls in cls.notification_classes:
            cls.register(obj_cls)


class WatcherObject(Versioned):
    """A versioned object that Watcher's services understand.

    Objects that are not stored, such as the payloads of notifications, may have attributes in
    addition to their fields.
    """

    OBJ_SERIAL_NAMESPACE = "watcher_object"
    OBJ_PROJECT_NAMESPACE = "watcher"

    def __init_subclass__(cls, **options: Any) -> None:
        """Take the version from the history, and reject fields that would hide an attribute.

        :raises TypeError: there is such a field
        """
        super().__init_subclass__(**options)
        if "history" in vars(cls) and "VERSION" not in vars(cls):
            *_, cls.VERSION = cls.history
        for name in cls.fields:
            is_inherited = any(name in getattr(base, "fields", ()) for base in cls.__mro__[1:])
            # The value of a field is kept under the latter name.
            is_taken = hasattr(cls, name) or hasattr(cls, get_attrname(name))
            if is_taken and not is_inherited:
                raise TypeError(f"{cls.__name__} has an attribute {name}: rename that field")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are set and their values."""
        return {name: getattr(self, name) for name in self.fields if self.obj_attr_is_set(name)}


class WatcherObjectDictCompat(ovo.VersionedObjectDictCompat):
    """Access to the fields of an object as if it were a dict."""


class WatcherComparableObject(ovo.ComparableVersionedObject):
    """Equality by the values of all fields; objects that are stored have one of their own."""


class WatcherObjectSerializer(ovo.VersionedObjectSerializer):
    """A serializer for oslo.messaging that sends objects in the versions of the pinned release."""

    OBJ_BASE_CLASS = WatcherObject

    def serialize_entity(self, context: Any, entity: Any) -> Any:
        """Return the primitive of an object, or of all objects in a collection.

        :raises NoOlderForm, UnsupportedError: the release that is pinned has no form of it
        """
        if isinstance(entity, WatcherObject) and entity.history and (pin := versions.pinned()):
            manifest = versions.manifest(pin)
            return entity.obj_to_primitive(versions.of(entity.obj_name(), manifest), manifest)
        return super().serialize_entity(context, entity)

    def deserialize_entity(self, context: Any, entity: Any) -> Any:
        """Return the object of a primitive, or a collection with the objects of all in it.

        :raises InvalidPrimitive: a primitive can't be used, or the collection is too deep
        """
        try:
            return super().deserialize_entity(context, entity)
        except RecursionError:
            raise exception.InvalidPrimitive(reason="it is nested over too many levels") from None


class WatcherPersistentObject(Swappable, WatcherObject, WatcherObjectDictCompat):
    """A versioned object that is stored in a table; its ``get`` finds one, no field.

    All remotable methods need the object's context, and raise OrphanedObjectError without.
    """

    history = {"1.0": ()}

    fields = {
        "created_at": fields.DateTimeField(nullable=True),
        "updated_at": fields.DateTimeField(nullable=True),
        "deleted_at": fields.DateTimeField(nullable=True),
    }

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        known = vars(self)
        known["_context"] = context
        changed = known["_changed_fields"] = set()
        # Where there are related objects, one field decides about another.
        is_related = not self.object_fields.keys().isdisjoint(kwargs)
        made_of: Any = type(self)
        fast_types = compiled.fast_types(made_of)
        for name, value in {**self._defaults(), **kwargs}.items():
            if is_related and name in self._relation_names():
                setattr(self, name, value)
                continue
            if name not in fast_types:
                raise self._unknown(name)
            # A new object has no row yet that would forbid it.
            attribute, kind, copied = fast_types[name]
            if type(value) is kind:
                known[attribute] = copied(value) if copied else value
            else:
                known[attribute] = self.fields[name].coerce(self, name, value)
            changed.add(name)

    @classmethod
    @functools.cache
    def _relation_names(cls) -> frozenset[str]:
        """Return the names of related objects, and of the fields that hold their ids."""
        keys = (key for _, key in cls.object_fields.values())
        return frozenset(cls.object_fields.keys()).union(keys)

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {name: copy.deepcopy(default) for name, default in cls._given_defaults()}

    @classmethod
    @functools.cache
    def _given_defaults(cls) -> Sequence[tuple[str, Any]]:
        unset = ovo_fields.UnspecifiedDefault
        return [
            (n, field.default) for n, field in cls.fields.items() if field.default is not unset
        ]
