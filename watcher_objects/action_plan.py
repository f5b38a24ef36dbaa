# SPDX-License-Identifier: Apache-2.0
"""Action plans: what an audit found should be done."""

from typing import Any

from watcher_objects import base, coercion, exception, fields
from watcher_objects.audit import Audit
from watcher_objects.db import models
from watcher_objects.history import Added, AddedRelation, Changed, Removed
from watcher_objects.states import ActionPlanState as State
from watcher_objects.states import ActionPlanStateTransitionManager
from watcher_objects.strategy import Strategy

__all__ = ["ActionPlan", "ActionPlanStateTransitionManager", "State"]


def _only(efficacy: list[Any]) -> dict[str, Any]:
    """Return the one indicator of a list, where there was room for one."""
    if len(efficacy) > 1 or not all(isinstance(one, dict) for one in efficacy):
        raise ValueError("there was room for one indicator")
    return efficacy[0] if efficacy else {}


def _listed(efficacy: dict[str, Any] | str) -> list[Any]:
    """Return the list of an indicator that may be empty."""
    one = coercion.to_dict("global_efficacy", efficacy)
    return [one] if one else []


@base.WatcherObjectRegistry.register
class ActionPlan(base.Identified, base.WatcherPersistentObject):
    """The outcome of an audit: actions, and how much better that would be.

    Its actions and efficacy indicators go with it, when it is deleted and when it is destroyed.
    """

    VERSION = "2.3"
    history = {
        "1.0": (),
        "1.1": (AddedRelation("audit"), AddedRelation("strategy")),
        "1.2": (),  # audit_id can't be None any more
        "2.0": (Removed("first_action_id"),),
        "2.1": (Changed("global_efficacy", older=_only, newer=_listed),),
        "2.2": (Added("hostname"),),
        "2.3": (Added("status_message"),),
    }

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "audit_id": fields.IntegerField(),
        "strategy_id": fields.IntegerField(),
        "state": fields.StringField(nullable=True),
        "global_efficacy": fields.FlexibleListOfDictField(nullable=True),
        "hostname": fields.StringField(nullable=True),
        "audit": fields.ObjectField("Audit", nullable=True),
        "strategy": fields.ObjectField("Strategy", nullable=True),
        "status_message": fields.StringField(nullable=True),
    }
    object_fields = {"audit": (Audit, "audit_id"), "strategy": (Strategy, "strategy_id")}

    table = models.action_plans
    resource = "action_plan"
    not_found = exception.ActionPlanNotFound
    already_exists = exception.ActionPlanAlreadyExists
    referenced = exception.ActionPlanReferenced

    @classmethod
    @base.remotable
    def supersede_expired(cls, context, hours):
        """Set all plans that are RECOMMENDED for longer than that to SUPERSEDED.

        :param hours: how long a recommendation holds, 0 or more; fractions count
        :returns: the plans that have been superseded
        :raises InvalidValue: there is no such time
        """
        due = {"state": State.RECOMMENDED, "created_at__lt": coercion.ago("hours", hours, "hours")}
        return cls._obj_update_all(context, due, {"state": State.SUPERSEDED})
