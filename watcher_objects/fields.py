# SPDX-License-Identifier: Apache-2.0
"""The field types of the objects: what a field accepts, and what it makes of it.

Each type keeps the class name of the oslo.versionedobjects type whose place it takes, since
that name is part of an object's fingerprint. What a field can't take without guessing, it
refuses with :class:`~watcher_objects.exception.InvalidValue`; see
:mod:`watcher_objects.coercion`.
"""

import datetime
import json
from typing import Any

from oslo_versionedobjects import fields as ovo

from watcher_objects import coercion
from watcher_objects.notification import BaseWatcherEnum as BaseWatcherEnum
from watcher_objects.notification import NotificationAction as NotificationAction
from watcher_objects.notification import NotificationActionField as NotificationActionField
from watcher_objects.notification import NotificationPhase as NotificationPhase
from watcher_objects.notification import NotificationPhaseField as NotificationPhaseField
from watcher_objects.notification import NotificationPriority as NotificationPriority
from watcher_objects.notification import NotificationPriorityField as NotificationPriorityField


class String(ovo.String):
    """Text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return text."""
        return coercion.to_text(attr, value)


class UUID(ovo.UUID):
    """A uuid in its canonical spelling."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return a canonical uuid."""
        return coercion.to_uuid(attr, value)


class Integer(ovo.Integer):
    """A whole number."""

    def coerce(self, obj: Any, attr: str, value: Any) -> int:
        """Return a whole number."""
        return coercion.to_integer(attr, value)


class Boolean(ovo.Boolean):
    """True or False."""

    def coerce(self, obj: Any, attr: str, value: Any) -> bool:
        """Return a truth value."""
        return coercion.to_boolean(attr, value)


class DateTime(ovo.DateTime):
    """A time in UTC, to the microsecond; aware or naive as the field declares."""

    def coerce(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        """Return a time in UTC."""
        utc = coercion.to_utc(attr, value)
        return utc if self.tzinfo_aware else utc.replace(tzinfo=None)

    def from_primitive(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        """Return the time that an ISO 8601 text tells."""
        return self.coerce(obj, attr, value)

    def to_primitive(self, obj: Any, attr: str, value: datetime.datetime) -> str:
        """Return ISO 8601 text in UTC, with the microseconds where there are any."""
        return self.stringify(value)

    def stringify(self, value: datetime.datetime) -> str:
        """Return ISO 8601 text in UTC, with the microseconds where there are any."""
        return coercion.to_utc("", value).replace(tzinfo=None).isoformat() + "Z"


class FlexibleDict(ovo.FieldType[dict[str, Any]]):
    """A JSON object, given as a mapping or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return a dict of its own; the values inside are the caller's."""
        return coercion.to_dict(attr, value)


class FlexibleListOfDict(ovo.FieldType[list[Any]]):
    """A JSON array, given as a list or a tuple or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> list[Any]:
        """Return a list of its own; the values inside are the caller's."""
        return coercion.to_list(attr, value)


class Dict(ovo.Dict[Any]):
    """A JSON object, given as a mapping or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return a dict of its own; the values inside are the caller's."""
        return coercion.to_dict(attr, value)

    from_primitive = coerce


class List(ovo.List[Any]):
    """A list of values of one type, given as a list or a tuple or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> list[Any]:
        """Return a list of its own, with each element as its type makes it."""
        elements = enumerate(coercion.to_list(attr, value))
        return [self._element_type.coerce(obj, f"{attr}[{n}]", e) for n, e in elements]

    from_primitive = coerce


class Numeric(ovo.FieldType[float]):
    """A finite number."""

    def coerce(self, obj: Any, attr: str, value: Any) -> int | float:
        """Return a number."""
        return coercion.to_number(attr, value)


class Json(ovo.FieldType[Any]):
    """Any JSON value, given as such or as JSON text; JSON text in a primitive."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        """Return the value, or what the text says."""
        return coercion.from_json(attr, value, "takes a JSON value, or JSON text of one")

    def from_primitive(self, obj: Any, attr: str, value: Any) -> Any:
        """Return what the text says."""
        return self.coerce(obj, attr, value)

    def to_primitive(self, obj: Any, attr: str, value: Any) -> str:
        """Return JSON text."""
        return json.dumps(value)


class Object(ovo.Object):
    """An object of one class."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        """Return the object as it is."""
        try:
            return super().coerce(obj, attr, value)
        except ValueError:
            raise coercion.refuse(attr, value, f"takes a {self._obj_name}") from None


class _NullHandling(ovo.Field[Any]):
    """What every field here does with None: the default, or a typed refusal."""

    def _null(self, obj: Any, attr: str) -> Any:
        if not self.nullable and self.default is ovo.UnspecifiedDefault:
            raise coercion.refuse(attr, None, "must have a value")
        return super()._null(obj, attr)


class StringField(_NullHandling, ovo.AutoTypedField[str]):
    """A field of text."""

    AUTO_TYPE = String()


class UUIDField(_NullHandling, ovo.AutoTypedField[str]):
    """A field of a uuid."""

    AUTO_TYPE = UUID()


class IntegerField(_NullHandling, ovo.AutoTypedField[int]):
    """A field of a whole number."""

    AUTO_TYPE = Integer()


class BooleanField(_NullHandling, ovo.AutoTypedField[bool]):
    """A field of a truth value."""

    AUTO_TYPE = Boolean()


class DateTimeField(_NullHandling, ovo.AutoTypedField[datetime.datetime]):
    """A field of a time: in and out in UTC, aware unless ``tzinfo_aware`` is False."""

    def __init__(self, tzinfo_aware: bool = True, **kwargs: Any) -> None:
        self.AUTO_TYPE = DateTime(tzinfo_aware=tzinfo_aware)
        super().__init__(**kwargs)


class ObjectField(ovo.ObjectField):
    """A field of an object of the class that has this name."""

    def __init__(self, objtype: str, **kwargs: Any) -> None:
        super().__init__(objtype, **kwargs)
        self._type = Object(objtype)


class NumericField(_NullHandling, ovo.AutoTypedField[float]):
    """A field of a number."""

    AUTO_TYPE = Numeric()


class JsonField(_NullHandling, ovo.AutoTypedField[Any]):
    """A field of any JSON value."""

    AUTO_TYPE = Json()


class DictField(_NullHandling, ovo.AutoTypedField[dict[str, Any]]):
    """A field of a dict of text to anything."""

    AUTO_TYPE = Dict(ovo.FieldType())


class ListOfUUIDsField(_NullHandling, ovo.AutoTypedField[list[str]]):
    """A field of a list of uuids."""

    AUTO_TYPE = List(UUID())


class ListOfStringsField(_NullHandling, ovo.AutoTypedField[list[str]]):
    """A field of a list of texts."""

    AUTO_TYPE = List(String())


class FlexibleDictField(_NullHandling, ovo.AutoTypedField[dict[str, Any]]):
    """A field of a JSON object; None in a nullable one is the empty object."""

    AUTO_TYPE = FlexibleDict()

    def _null(self, obj: Any, attr: str) -> Any:
        return {} if self.nullable else super()._null(obj, attr)


class FlexibleListOfDictField(_NullHandling, ovo.AutoTypedField[list[Any]]):
    """A field of a JSON array; None in a nullable one is the empty array."""

    AUTO_TYPE = FlexibleListOfDict()

    def _null(self, obj: Any, attr: str) -> Any:
        return [] if self.nullable else super()._null(obj, attr)
