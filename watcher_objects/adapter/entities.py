# SPDX-License-Identifier: Apache-2.0
"""The entities as Watcher's services use them."""

import ast
import builtins
import copyreg
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from oslo_config import cfg
from oslo_versionedobjects import fields as ovo_fields
from watcher.common import exception as watcher_exception

import watcher_objects
from watcher_objects import base, exception, fields
from watcher_objects.adapter import notifications

exception.catch_as(watcher_exception)


class Adapted:
    """An object that the API creates from more than its fields, and that the scheduler pickles.

    The pickle has the attributes that Watcher's own class has, so that an engine which runs
    without these objects can read it, and the other way round.
    """

    fields: Mapping[str, Any]
    object_fields: Mapping[str, Any]
    #: Whether Watcher's class keeps the state in an attribute of its own.
    keeps_state_apart = False

    def __init__(self, context: Any = None, **values: Any) -> None:
        """Ignore names that are not fields, and None for a related object that is not loaded."""
        known = {
            name: value
            for name, value in values.items()
            if name in self.fields and (value is not None or name not in self.object_fields)
        }
        super().__init__(context, **known)  # type: ignore[call-arg]

    def save(self) -> None:
        """Write the changes; Watcher sends a notification even if there are none."""
        obj: Any = self
        is_changed = bool(obj.obj_what_changed())
        super().save()  # type: ignore[misc]
        if not is_changed:
            notifications.notify_unchanged(obj)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Return what pickles it as Watcher does."""
        obj: Any = self
        names = [name for name in self.fields if obj.obj_attr_is_set(name)]
        state = {
            "_context": obj._context,
            "_changed_fields": {*obj.obj_what_changed()},
            **{base.get_attrname(name): getattr(obj, name) for name in names},
        }
        if self.keeps_state_apart and "state" in names:
            state |= {"_state": obj.state, "_old_state": obj.old_state}
        return copyreg.__newobj__, (type(self),), state  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any]) -> None:
        obj: Any = self
        names = {base.get_attrname(name): name for name in self.fields}
        values = {names[key]: value for key, value in state.items() if key in names}
        if state.get("_state") is not None:
            values.setdefault("state", state["_state"])
        obj.__init__(state.get("_context"), **values)
        obj.obj_reset_changes(recursive=False)
        obj._changed_fields.update(state.get("_changed_fields", ()))


class AdaptedStateful(Adapted):
    """An audit or an action plan."""

    keeps_state_apart = True


class AdaptedAuditTemplate(Adapted):
    """An audit template, of which Watcher lists the filters first."""

    @classmethod
    def list(
        cls,
        context: Any,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = None,
        marker: Any = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
        eager: bool = False,
    ) -> builtins.list[Any]:
        """Return a list of audit templates; see :meth:`watcher_objects.AuditTemplate.list`."""
        listed: list[Any] = super().list(  # type: ignore[misc]
            context, limit, marker, filters, sort_key, sort_dir, eager
        )
        return listed


class AdaptedService(Adapted):
    """A service, on which the monitors keep the state that they have found."""

    _state: str | None = None

    @property
    def state(self) -> str | None:
        """What a monitor has found; it is not stored."""
        return self._state

    @state.setter
    def state(self, state: str | None) -> None:
        self._state = state


class FlexibleDict(fields.FlexibleDict):
    """A JSON object, also given in Python's spelling: the syncer stores ``str(schema)``."""

    def coerce(self, obj: Any, attr: str, value: Any) -> dict[str, Any]:
        """Return a dict of its own; the values inside are the caller's."""
        try:
            return super().coerce(obj, attr, value)
        except exception.InvalidValue:
            if not isinstance(value, str):
                raise
            with suppress(ValueError, SyntaxError):
                return super().coerce(obj, attr, ast.literal_eval(value))
            raise


class FlexibleDictField(fields.FlexibleDictField):
    """A field of a :class:`FlexibleDict`."""

    AUTO_TYPE = FlexibleDict()


class AdaptedStrategy(Adapted):
    """A strategy, of which the syncer gives the schema of the parameters as text."""

    fields = {
        **watcher_objects.Strategy.fields,
        "parameters_spec": FlexibleDictField(nullable=True),
    }


class StateManager:
    """What the decision engine asks for action plans that nobody has started."""

    def check_expired(self, context: Any) -> None:
        """Supersede the plans that are older than the configuration of Watcher allows."""
        hours = cfg.CONF.watcher_decision_engine.action_plan_expiry
        watcher_objects.ActionPlan.supersede_expired(context, hours)


_ADAPTED = {
    "ActionPlan": AdaptedStateful,
    "Audit": AdaptedStateful,
    "AuditTemplate": AdaptedAuditTemplate,
    "Service": AdaptedService,
    "Strategy": AdaptedStrategy,
}


def _adapt(cls: Any) -> Any:
    """Register a subclass of an entity in its place, under the module that Watcher knows."""
    name, module = cls.__name__, cls.__module__.rpartition(".")[2]
    bases = (_ADAPTED.get(name, Adapted), cls)
    adapted = type(name, bases, {"__module__": f"watcher.objects.{module}"})
    return base.WatcherObjectRegistry.register(adapted)


#: The adapted classes of Watcher's ten objects, by name.
CLASSES = {
    cls.__name__: _adapt(cls)
    for cls in (
        watcher_objects.Action,
        watcher_objects.ActionDescription,
        watcher_objects.ActionPlan,
        watcher_objects.Audit,
        watcher_objects.AuditTemplate,
        watcher_objects.EfficacyIndicator,
        watcher_objects.Goal,
        watcher_objects.ScoringEngine,
        watcher_objects.Service,
        watcher_objects.Strategy,
    )
}


def names(module: str) -> dict[str, Any]:
    """Return what a module of Watcher's has in addition to the module of this library."""
    found = {n: cls for n, cls in CLASSES.items() if module in ("watcher.objects", cls.__module__)}
    if module == "watcher.objects.action_plan":
        found["StateManager"] = StateManager
    if module == "watcher.objects.fields":
        # Releases before 17 have those of oslo.versionedobjects there, too.
        found |= {n: v for n, v in vars(ovo_fields).items() if not hasattr(fields, n)}
    return found
