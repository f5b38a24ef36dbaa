# SPDX-License-Identifier: Apache-2.0
"""The types of fields: which values they accept, and how they coerce them.

Each type keeps the class name of the oslo.versionedobjects type whose place it takes, since
that name is part of an object's fingerprint. What a field can't take without guessing, it
refuses with :class:`~watcher_objects.exception.InvalidValue`; see
:mod:`watcher_objects.fields.coercion`.
"""

import datetime
import json
from typing import Any

from oslo_versionedobjects import fields as ovo

from watcher_objects.fields import coercion


class String(ovo.String):
    """Text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return text."""
        return value if type(value) is str else coercion.to_text(attr, value)


class UUID(ovo.UUID):
    """A uuid in its canonical spelling."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return a canonical uuid."""
        return coercion.to_uuid(attr, value)


class Integer(ovo.Integer):
    """A whole number."""

    def coerce(self, obj: Any, attr: str, value: Any) -> int:
        """Return a whole number."""
        return value if type(value) is int else coercion.to_integer(attr, value)


class Boolean(ovo.Boolean):
    """True or False."""

    def coerce(self, obj: Any, attr: str, value: Any) -> bool:
        """Return a truth value."""
        return value if type(value) is bool else coercion.to_boolean(attr, value)


class DateTime(ovo.DateTime):
    """A time in UTC, to the microsecond; aware or naive as the field declares."""

    def coerce(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        """Return a time in UTC."""
        utc = coercion.to_utc(attr, value)
        return utc if self.tzinfo_aware else utc.replace(tzinfo=None)

    def from_primitive(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        """Return the time of an ISO 8601 text."""
        return self.coerce(obj, attr, value)

    def to_primitive(self, obj: Any, attr: str, value: datetime.datetime) -> str:
        """Return ISO 8601 text in UTC, with the microseconds where there are any."""
        return self.stringify(value)

    def stringify(self, value: datetime.datetime) -> str:
        """Return ISO 8601 text in UTC, with the microseconds where there are any."""
        return coercion.to_utc("", value).replace(tzinfo=None).isoformat() + "Z"


class _Document(ovo.FieldType[Any]):
    """JSON, which a primitive may have as text."""

    def from_primitive(self, obj: Any, attr: str, value: Any) -> Any:
        """Return the value, or what the text says, which is looked at before it is read."""
        return self.coerce(obj, attr, coercion.sent_json(attr, value))


class FlexibleDict(_Document):
    """A JSON object, given as a mapping or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return a dict of its own; the values inside are the caller's."""
        return coercion.to_dict(attr, value)


class FlexibleListOfDict(_Document):
    """A JSON array, given as a list or a tuple or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> list[Any]:
        """Return a list of its own; the values inside are the caller's.

        An empty JSON object, which Watcher's planners pass, is the empty array.
        """
        return coercion.to_list(attr, [] if value in ({}, "{}") else value)


class Dict(_Document, ovo.Dict[Any]):
    """A JSON object, given as a mapping or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return a dict of its own; the values inside are the caller's."""
        return coercion.to_dict(attr, value)


class List(_Document, ovo.List[Any]):
    """A list of values of one type, given as a list or a tuple or as JSON text."""

    def coerce(self, obj: Any, attr: str, value: Any) -> list[Any]:
        """Return a list of its own, with each element as its type makes it."""
        made = []
        for number, element in enumerate(coercion.to_list(attr, value)):
            place = f"{attr}[{number}]"
            if element is None:
                raise coercion.refuse(place, None, "must have a value")
            made.append(self._element_type.coerce(obj, place, element))
        return made


class Numeric(ovo.FieldType[float]):
    """A finite number."""

    def coerce(self, obj: Any, attr: str, value: Any) -> int | float:
        """Return a number."""
        return coercion.to_number(attr, value)


class Json(_Document):
    """Any JSON value, given as such or as JSON text; JSON text in a primitive."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        """Return the value, or what the text says."""
        return coercion.to_json(attr, value)

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


class BaseWatcherEnum(ovo.Enum):
    """One of the words in ``ALL``."""

    ALL: tuple[str, ...] = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(valid_values=self.ALL, **kwargs)

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        """Return the word."""
        if isinstance(value, str) and value in self.ALL:
            return value
        raise coercion.refuse(attr, value, f"takes one of {', '.join(self.ALL)}")


class NotificationPriority(BaseWatcherEnum):
    """How urgent a notification is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    ALL = (DEBUG, INFO, WARNING, ERROR, CRITICAL)


class NotificationPhase(BaseWatcherEnum):
    """The phase of a longer action that a notification reports."""

    START = "start"
    END = "end"
    ERROR = "error"

    ALL = (START, END, ERROR)


class NotificationAction(BaseWatcherEnum):
    """What happened to the object of a notification."""

    CREATE = "create"
    UPDATE = "update"
    EXCEPTION = "exception"
    DELETE = "delete"
    STRATEGY = "strategy"
    PLANNER = "planner"
    EXECUTION = "execution"
    CANCEL = "cancel"

    ALL = (CREATE, UPDATE, EXCEPTION, DELETE, STRATEGY, PLANNER, EXECUTION, CANCEL)
