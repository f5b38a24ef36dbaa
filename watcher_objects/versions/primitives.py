# SPDX-License-Identifier: Apache-2.0
"""Serialization of objects to primitives of any version, and back."""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import exception, versions
from watcher_objects.versions.history import (
    Added,
    Change,
    History,
    removed,
    since,
    to_newer,
    to_older,
)

_SHAPE: Mapping[str, Any] = {
    "name": str,
    "namespace": str,
    "version": str,
    "data": dict,
    "changes": list,
}
# What a part that is not there is taken for: of changes, there may be none.
_NOTHING: list[str] = []


class Versioned(ovo.VersionedObject):
    """An object that is serialized in all versions of its class's history, or in its only one."""

    #: The versions of the class, and what each changed; see
    #: :mod:`watcher_objects.versions.history`.
    history: ClassVar[History] = {}

    # What an older version says of fields that the newest has not, for who still knows them.
    _left_over: Mapping[str, Any] = {}

    def obj_to_primitive(
        self, target_version: str | None = None, version_manifest: Any = None
    ) -> dict[str, Any]:
        """Return the primitive of the object.

        :param target_version: a version of the class; None is the newest
        :param version_manifest: the versions of related objects, by name; None are those of
            the release that had the target version
        :raises InvalidTargetVersion: there is no such version
        :raises NoOlderForm: that version cannot represent a value
        """
        if target_version not in (None, self.VERSION) and self.history:
            self._check_version(target_version)
            if version_manifest is None:
                version_manifest = versions.manifest_of(self.obj_name(), target_version)
        return self._to_primitive(target_version, version_manifest)

    def _to_primitive(self, version: str | None, manifest: Any) -> dict[str, Any]:
        return super().obj_to_primitive(version, manifest)

    def obj_make_compatible(self, primitive: dict[str, Any], target_version: str) -> None:
        """Convert the fields of a primitive to another version.

        :raises InvalidTargetVersion: there is no such version
        """
        self._check_version(target_version)
        super().obj_make_compatible(primitive, target_version)
        if self.history:
            changes = self._changes_since(target_version)
            to_older(self.obj_name(), changes, primitive, target_version)
            known = self._left_over.keys() & primitive.keys()
            primitive.update({name: self._left_over[name] for name in known})

    def _check_version(self, version: str) -> None:
        if self.history and not (isinstance(version, str) and version in self.history):
            raise ovo_exception.InvalidTargetVersion(version=exception.safe_repr(version))

    def _obj_make_obj_compatible(
        self, primitive: dict[str, Any], target_version: str, field: str
    ) -> None:
        # What is left out afterwards need not have an older form.
        if not (self.history and field in self._added_since(target_version)):
            super()._obj_make_obj_compatible(primitive, target_version, field)

    @classmethod
    @functools.cache
    def _changes_since(cls, version: str) -> Sequence[Change]:
        return since(cls.history, version)

    @classmethod
    @functools.cache
    def _added_since(cls, version: str) -> frozenset[str]:
        return frozenset(c.field for c in cls._changes_since(version) if isinstance(c, Added))

    @classmethod
    def obj_class_from_name(cls, objname: str, objver: str) -> Any:
        """Return the registered class that supports a version.

        :raises UnsupportedObjectError: there is no class of that name
        :raises IncompatibleObjectVersion: none speaks that version; the error names those that are
        """
        known: Sequence[Any] = ovo.VersionedObjectRegistry.obj_classes().get(objname, ())
        for made in known:
            if objver in getattr(made, "history", ()):
                return made
        spoken = [made.history for made in known if getattr(made, "history", None)]
        if not spoken:
            return super().obj_class_from_name(objname, objver)
        raise ovo_exception.IncompatibleObjectVersion(
            objname=objname, objver=objver, supported=", ".join(spoken[0])
        )

    @classmethod
    def obj_from_primitive(cls, primitive: Any, context: Any = None) -> Any:
        """Return the object of a primitive of any supported version.

        :raises InvalidPrimitive: the argument is not a primitive
        :raises InvalidValue: a field can't hold what it has
        :raises UnsupportedObjectError, IncompatibleObjectVersion: it is of no class, or in no
            version, that is known here
        """
        cls._check_shape(primitive)
        name, namespace, version, *_ = cls._primitive_keys()
        if primitive[namespace] != cls.OBJ_PROJECT_NAMESPACE:
            objtype = f"{primitive[namespace]}.{primitive[name]}"
            raise ovo_exception.UnsupportedObjectError(objtype=objtype)
        made = cls.obj_class_from_name(primitive[name], primitive[version])
        return made._obj_from_primitive(context, primitive[version], primitive)

    @classmethod
    def _check_shape(cls, primitive: Any) -> None:
        if not isinstance(primitive, dict):
            raise exception.InvalidPrimitive(reason=f"it is a {type(primitive).__name__}")
        for part, key, kind in cls._shape():
            found = primitive.get(key, _NOTHING)
            if not isinstance(found, kind) or (kind is str and not _is_name(found)):
                raise exception.InvalidPrimitive(reason=f"its {part} can't be used")
        # The last part is the changes.
        for name in found:
            if not isinstance(name, str):
                raise exception.InvalidPrimitive(reason="its changes are no names")

    @classmethod
    @functools.cache
    def _shape(cls) -> Sequence[tuple[str, str, Any]]:
        return [(part, cls._obj_primitive_key(part), kind) for part, kind in _SHAPE.items()]

    @classmethod
    @functools.cache
    def _primitive_keys(cls) -> Sequence[str]:
        return [key for _, key, _ in cls._shape()]

    @classmethod
    def _obj_from_primitive(cls, context: Any, objver: str, primitive: dict[str, Any]) -> Self:
        if not cls.history:
            return super()._obj_from_primitive(context, objver, primitive)
        *_, data_key, changes = cls._primitive_keys()
        data = sent = primitive[data_key]
        left: Mapping[str, Any] = {}
        if objver != cls.VERSION:
            data = dict(sent)
            left = {name: data[name] for name in removed(cls.history) & data.keys()}
            to_newer(cls._changes_since(objver), data)
        self = cls._from_data(context, data, cls.fields.keys() & primitive.get(changes, ()), sent)
        if left:
            self._left_over = left
        return self

    @classmethod
    def _from_data(
        cls, context: Any, data: dict[str, Any], changes: set[str], sent: Collection[str]
    ) -> Self:
        """Return the object that fields, as a primitive of the newest version has them, make.

        :param sent: the fields that were sent; others are filled in for an older sender

        A None in a field that is not nullable is omitted: Watcher sends a state of None for an
        audit without a state.
        """
        self = object.__new__(cls)
        vars(self).update(_context=context, _changed_fields=set())
        for name, field in cls.fields.items():
            if name in data and (data[name] is not None or field.nullable):
                setattr(self, name, field.from_primitive(self, name, data[name]))
        self._changed_fields = changes
        return self


def _is_name(text: str) -> bool:
    """Return whether a text may be logged, since oslo.versionedobjects logs names."""
    return len(text) <= 255 and text.isprintable()
