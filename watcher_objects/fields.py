# SPDX-License-Identifier: Apache-2.0
"""The field types of the objects: what a field accepts, and what it makes of it.

Each type keeps the class name of the oslo.versionedobjects type whose place it takes, since
that name is part of an object's fingerprint. What a field can't take without guessing, it
refuses with :class:`~watcher_objects.exception.InvalidValue`.
"""

import datetime
import json
import uuid
from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils, timeutils
from oslo_versionedobjects import fields as ovo

from watcher_objects import exception


def refuse(field: str, value: Any, allowed: str) -> exception.InvalidValue:
    """Return the error that tells what ``field`` allows, and never shows the value."""
    kind = "None" if value is None else f"a value of type {type(value).__name__}"
    return exception.InvalidValue(field=field, kind=kind, allowed=allowed)


def to_text(field: str, value: Any) -> str:
    """Return text: a string as it is, a whole number as its digits."""
    if isinstance(value, str):
        # Not str(value): of a member of an enum that would be the name.
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    raise refuse(field, value, "takes text")


def to_integer(field: str, value: Any) -> int:
    """Return a whole number, given as such or as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and len(value) < 20 and strutils.is_int_like(value):
        return int(value)
    raise refuse(field, value, "takes a whole number")


def to_boolean(field: str, value: Any) -> bool:
    """Return True or False, given as such, as 0 or 1, or as a word like 'yes' or 'off'."""
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        try:
            return bool(strutils.bool_from_string(value, strict=True))
        except ValueError:
            pass
    raise refuse(field, value, "takes True or False")


def to_utc(field: str, value: Any) -> datetime.datetime:
    """Return a time in UTC, aware; a naive one is taken to be in UTC, text to be ISO 8601."""
    allowed = "takes a datetime, or ISO 8601 text"
    try:
        if isinstance(value, str):
            value = timeutils.parse_isotime(value)
        if isinstance(value, datetime.datetime):
            if value.utcoffset() is None:
                return value.replace(tzinfo=datetime.UTC)
            return value.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise refuse(field, value, allowed) from None
    raise refuse(field, value, allowed)


def to_uuid(field: str, value: Any) -> str:
    """Return a uuid in its canonical spelling: 36 characters, lower case."""
    try:
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise refuse(field, value, "takes a uuid") from None


def from_json(field: str, value: Any, allowed: str) -> Any:
    """Return what a JSON text says; anything that is no text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise refuse(field, value, allowed) from None


class String(ovo.String):
    """Text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return text; see :func:`to_text`."""
        return to_text(attr, value)


class UUID(ovo.UUID):
    """A uuid in its canonical spelling."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return a canonical uuid; see :func:`to_uuid`."""
        return to_uuid(attr, value)


class Integer(ovo.Integer):
    """A whole number."""

    def coerce(self, obj: Any, attr: str, value: Any) -> int:
        """Return a whole number; see :func:`to_integer`."""
        return to_integer(attr, value)


class Boolean(ovo.Boolean):
    """True or False."""

    def coerce(self, obj: Any, attr: str, value: Any) -> bool:
        """Return a truth value; see :func:`to_boolean`."""
        return to_boolean(attr, value)


class DateTime(ovo.DateTime):
    """A time in UTC, to the microsecond; aware or naive as the field declares."""

    def coerce(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        """Return a time in UTC; see :func:`to_utc`."""
        utc = to_utc(attr, value)
        return utc if self.tzinfo_aware else utc.replace(tzinfo=None)

    def from_primitive(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        """Return the time that an ISO 8601 text tells."""
        return self.coerce(obj, attr, value)

    def to_primitive(self, obj: Any, attr: str, value: datetime.datetime) -> str:
        """Return ISO 8601 text in UTC, with the microseconds where there are any."""
        return self.stringify(value)

    def stringify(self, value: datetime.datetime) -> str:
        """Return ISO 8601 text in UTC, with the microseconds where there are any."""
        return to_utc("", value).replace(tzinfo=None).isoformat() + "Z"


class FlexibleDict(ovo.FieldType[dict[str, Any]]):
    """A JSON object, given as a mapping or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return a dict of its own; the values inside are the caller's."""
        allowed = "takes a dict, or JSON text of one"
        value = from_json(attr, value, allowed)
        if isinstance(value, Mapping):
            return dict(value)
        raise refuse(attr, value, allowed)


class FlexibleListOfDict(ovo.FieldType[list[Any]]):
    """A JSON array, given as a list or a tuple or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> list[Any]:
        """Return a list of its own; the values inside are the caller's."""
        allowed = "takes a list, or JSON text of one"
        value = from_json(attr, value, allowed)
        if isinstance(value, list | tuple):
            return list(value)
        raise refuse(attr, value, allowed)


class Object(ovo.Object):
    """An object of one class."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        """Return the object as it is."""
        try:
            return super().coerce(obj, attr, value)
        except ValueError:
            raise refuse(attr, value, f"takes a {self._obj_name}") from None


class _NullHandling(ovo.Field[Any]):
    """What every field here does with None: the default, or a typed refusal."""

    def _null(self, obj: Any, attr: str) -> Any:
        if not self.nullable and self.default is ovo.UnspecifiedDefault:
            raise refuse(attr, None, "must have a value")
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
