# SPDX-License-Identifier: Apache-2.0
"""The fields of the objects, and the field types under Watcher's names."""

import datetime
from typing import Any

from oslo_versionedobjects import fields as ovo

from watcher_objects.fields import coercion
from watcher_objects.fields.field_types import UUID as UUID
from watcher_objects.fields.field_types import BaseWatcherEnum as BaseWatcherEnum
from watcher_objects.fields.field_types import Boolean as Boolean
from watcher_objects.fields.field_types import DateTime as DateTime
from watcher_objects.fields.field_types import Dict as Dict
from watcher_objects.fields.field_types import FlexibleDict as FlexibleDict
from watcher_objects.fields.field_types import FlexibleListOfDict as FlexibleListOfDict
from watcher_objects.fields.field_types import Integer as Integer
from watcher_objects.fields.field_types import Json as Json
from watcher_objects.fields.field_types import List as List
from watcher_objects.fields.field_types import NotificationAction as NotificationAction
from watcher_objects.fields.field_types import NotificationPhase as NotificationPhase
from watcher_objects.fields.field_types import NotificationPriority as NotificationPriority
from watcher_objects.fields.field_types import Numeric as Numeric
from watcher_objects.fields.field_types import Object as Object
from watcher_objects.fields.field_types import String as String


class _NullHandling(ovo.Field[Any]):
    """The handling of None by every field: its default, or a typed error."""

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


class ObjectField(_NullHandling, ovo.ObjectField):
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


class NotificationPriorityField(_NullHandling, ovo.BaseEnumField):
    """A field of a :class:`NotificationPriority`."""

    AUTO_TYPE = NotificationPriority()


class NotificationPhaseField(_NullHandling, ovo.BaseEnumField):
    """A field of a :class:`NotificationPhase`."""

    AUTO_TYPE = NotificationPhase()


class NotificationActionField(_NullHandling, ovo.BaseEnumField):
    """A field of a :class:`NotificationAction`."""

    AUTO_TYPE = NotificationAction()
