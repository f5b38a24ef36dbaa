# SPDX-License-Identifier: Apache-2.0
"""Valid objects of every class, made from its declaration."""

import itertools
from collections.abc import Callable, Set
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from oslo_context.context import RequestContext

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
from watcher_objects.db.queries import class_of

Made = TypeVar("Made", bound=WatcherPersistentObject)

# Unique in a process: texts are told apart whichever factory made them.
_numbers = itertools.count(1)


class Factory:
    """Makes objects of which only what matters needs to be said.

    What an object must have and was not given is filled in: texts that are unique, and related
    objects, which are stored on demand, one of each class for all objects of a factory.
    """

    #: Makes the value of a field of this type that must have one.
    values: ClassVar[dict[type, Callable[[], Any]]] = {
        fields.FlexibleListOfDictField: list,
        fields.NumericField: float,
    }

    def __init__(self, context: Any = None) -> None:
        self.context = context or RequestContext()
        self._owners: dict[type[WatcherPersistentObject], Any] = {}

    def audit(self, **given: Any) -> Audit:
        """Store an audit: a PENDING one that runs once, unless another is given."""
        return self.create(Audit, **given)

    def audit_template(self, **given: Any) -> AuditTemplate:
        """Store an audit template."""
        return self.create(AuditTemplate, **given)

    def goal(self, **given: Any) -> Goal:
        """Store a goal."""
        return self.create(Goal, **given)

    def strategy(self, **given: Any) -> Strategy:
        """Store a strategy."""
        return self.create(Strategy, **given)

    def action_plan(self, **given: Any) -> ActionPlan:
        """Store an action plan, RECOMMENDED unless another state is given."""
        return self.create(ActionPlan, **given)

    def action(self, **given: Any) -> Action:
        """Store an action, PENDING unless another state is given."""
        return self.create(Action, **given)

    def efficacy_indicator(self, **given: Any) -> EfficacyIndicator:
        """Store an efficacy indicator."""
        return self.create(EfficacyIndicator, **given)

    def scoring_engine(self, **given: Any) -> ScoringEngine:
        """Store a scoring engine."""
        return self.create(ScoringEngine, **given)

    def service(self, **given: Any) -> Service:
        """Store a service."""
        return self.create(Service, **given)

    def action_description(self, **given: Any) -> ActionDescription:
        """Store an action description."""
        return self.create(ActionDescription, **given)

    def create(self, cls: type[Made], context: Any = None, **given: Any) -> Made:
        """Store an object of a class; the arguments are those of :meth:`build`."""
        obj = self.build(cls, context, **given)
        obj.create()
        return obj

    def build(self, cls: type[Made], context: Any = None, **given: Any) -> Made:
        """Return an object that can be stored as it is.

        :param cls: one of the ten classes
        :param context: for this object, instead of the factory's
        :param given: what fields hold; a related object or its id is the same
        """
        known = {key for name, (_, key) in cls.object_fields.items() if name in given}
        names = self.needed(cls) - given.keys() - known
        values = {name: self.value(cls, name) for name in sorted(names)}
        return cls(context or self.context, **values, **given)

    def needed(self, cls: type[WatcherPersistentObject]) -> Set[str]:
        """Return the fields that must have a value, and that the library does not fill in."""
        columns = cls.table.columns
        must = {n for n, f in cls.fields.items() if not f.nullable and n in columns}
        must |= {c.name for c in columns if not c.nullable and c.name in cls.fields}
        return must - {"id", "uuid", "state", *cls.initial, *dict(cls._obj_given_defaults())}

    def value(self, cls: type[WatcherPersistentObject], name: str) -> Any:
        """Return a value for a field."""
        column = cls.table.columns[name]
        if column.foreign_keys:
            return self.owner(column).id
        if name == "audit_type":
            return AuditType.ONESHOT.value
        if made := self.values.get(type(cls.fields[name])):
            return made()
        text = f"{cls.resource if name == 'name' else name}-{next(_numbers)}"
        return text[-(getattr(column.type, "length", None) or 255) :]

    def owner(self, column: sa.Column[Any]) -> Any:
        """Return the stored object that a relation leads to unless another is given."""
        (key,) = column.foreign_keys
        cls = class_of(key.column.table)
        if cls not in self._owners:
            self._owners[cls] = self.create(cls)
        return self._owners[cls]
