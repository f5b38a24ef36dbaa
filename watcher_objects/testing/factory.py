# SPDX-License-Identifier: Apache-2.0
"""A factory of valid objects, based on the declarations of their classes."""

import functools
import itertools
from collections.abc import Callable, Mapping, Set
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from oslo_context.context import RequestContext
from oslo_utils import timeutils, uuidutils
from oslo_versionedobjects import fields as ovo_fields

from watcher_objects import (
    Action,
    ActionDescription,
    ActionPlan,
    Audit,
    AuditTemplate,
    EfficacyIndicator,
    Goal,
    ScoringEngine,
    Service,
    Strategy,
    fields,
)
from watcher_objects.audit import AuditType
from watcher_objects.base import WatcherPersistentObject
from watcher_objects.persistence.registry import class_of

Made = TypeVar("Made", bound=WatcherPersistentObject)

# Unique within a process, also for several factories.
_numbers = itertools.count(1)

_COLUMNS: Mapping[type, Callable[[], Any]] = {
    sa.Boolean: bool,
    sa.Integer: functools.partial(next, _numbers),
    sa.Float: float,
    sa.DateTime: timeutils.utcnow,
}


def _maker(column: sa.Column[Any]) -> Callable[[], Any] | None:
    """Return a function that creates values for a column, or None for text."""
    if "json" in column.info:
        made: Callable[[], Any] = column.info["json"]
        return made
    makers = (make for kind, make in _COLUMNS.items() if isinstance(column.type, kind))
    return next(makers, None)


class Factory:
    """A factory that needs only the fields that matter to a test.

    Other required fields are filled in: text and numbers with unique values, and related objects,
    which are created on demand, one of each class for all objects of a factory.
    """

    #: Functions that create values, by type of field; otherwise the type of the column decides.
    values: ClassVar[Mapping[type, Callable[[], Any]]] = {
        fields.UUIDField: uuidutils.generate_uuid,
    }

    def __init__(self, context: Any = None) -> None:
        self.context = context or RequestContext()
        self._owners: dict[type[WatcherPersistentObject], Any] = {}

    def audit(self, **given: Any) -> Audit:
        """Create an audit; by default a PENDING one of type ONESHOT."""
        return self.create(Audit, **given)

    def audit_template(self, **given: Any) -> AuditTemplate:
        """Create an audit template."""
        return self.create(AuditTemplate, **given)

    def goal(self, **given: Any) -> Goal:
        """Create a goal."""
        return self.create(Goal, **given)

    def strategy(self, **given: Any) -> Strategy:
        """Create a strategy."""
        return self.create(Strategy, **given)

    def action_plan(self, **given: Any) -> ActionPlan:
        """Create an action plan, RECOMMENDED by default."""
        return self.create(ActionPlan, **given)

    def action(self, **given: Any) -> Action:
        """Create an action, PENDING by default."""
        return self.create(Action, **given)

    def efficacy_indicator(self, **given: Any) -> EfficacyIndicator:
        """Create an efficacy indicator."""
        return self.create(EfficacyIndicator, **given)

    def scoring_engine(self, **given: Any) -> ScoringEngine:
        """Create a scoring engine."""
        return self.create(ScoringEngine, **given)

    def service(self, **given: Any) -> Service:
        """Create a service."""
        return self.create(Service, **given)

    def action_description(self, **given: Any) -> ActionDescription:
        """Create an action description."""
        return self.create(ActionDescription, **given)

    def create(self, cls: type[Made], context: Any = None, **given: Any) -> Made:
        """Create an object of a class; the arguments are those of :meth:`build`."""
        obj = self.build(cls, context, **given)
        obj.create()
        return obj

    def build(self, cls: type[Made], context: Any = None, **given: Any) -> Made:
        """Return a valid object without storing it.

        :param cls: one of the ten classes, or another class of persistent objects
        :param context: the context of the object; by default the factory's
        :param given: values of fields; a related object or its id
        """
        known = {key for name, (_, key) in cls.object_fields.items() if name in given}
        names = self.needed(cls) - given.keys() - known
        values = {name: self.value(cls, name) for name in sorted(names)}
        return cls(context or self.context, **values, **given)

    def needed(self, cls: type[WatcherPersistentObject]) -> Set[str]:
        """Return the required fields that the library does not fill in."""
        columns = cls.table.columns
        must = {n for n, f in cls.fields.items() if not f.nullable and n in columns}
        must |= {c.name for c in columns if not c.nullable and c.name in cls.fields}
        return must - {"id", "uuid", "state", *cls.initial, *dict(cls._given_defaults())}

    def value(self, cls: type[WatcherPersistentObject], name: str) -> Any:
        """Return a value for a field."""
        column = cls.table.columns[name]
        if column.foreign_keys:
            return self.owner(column).id
        if name == "audit_type":
            return AuditType.ONESHOT.value
        field = cls.fields[name]
        if made := self.values.get(type(field)) or _maker(column):
            return made()
        if isinstance(field, ovo_fields.BaseEnumField):
            return next(iter(field.valid_values))
        text = f"{cls.resource if name == 'name' else name}-{next(_numbers)}"
        return text[-(getattr(column.type, "length", None) or 255) :]

    def owner(self, column: sa.Column[Any]) -> Any:
        """Return the shared object for a relation, and create it if necessary."""
        (key,) = column.foreign_keys
        cls = class_of(key.column.table)
        if cls not in self._owners:
            self._owners[cls] = self.create(cls)
        return self._owners[cls]
