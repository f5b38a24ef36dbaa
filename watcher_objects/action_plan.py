# SPDX-License-Identifier: Apache-2.0
"""Action plans: what an audit found should be done."""

from typing import Any, Self

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.fields import coercion
from watcher_objects.states import ActionPlanState as State
from watcher_objects.states import ActionPlanStateTransitionManager
from watcher_objects.versions.history import Added, AddedRelation, Changed, Released, Removed

__all__ = ["ActionPlan", "ActionPlanStateTransitionManager", "State"]


def _only(efficacy: list[Any]) -> dict[str, Any]:
    """Return the only indicator of a list, for versions that hold a single one."""
    if len(efficacy) > 1 or not all(isinstance(one, dict) for one in efficacy):
        raise ValueError("there was room for one indicator")
    return efficacy[0] if efficacy else {}


def _listed(efficacy: dict[str, Any] | str) -> list[Any]:
    """Return the list of an indicator that may be empty."""
    one = coercion.to_dict("global_efficacy", efficacy)
    return [one] if one else []


@base.WatcherObjectRegistry.register
class ActionPlan(base.Identified, base.WatcherPersistentObject):
    """The outcome of an audit: actions, and the improvement that they are expected to bring.

    Its actions and efficacy indicators go with it, when it is deleted and when it is destroyed.
    """

    history = {
        "1.0": Released("0.32"),
        "1.1": Released("0.32", AddedRelation("audit"), AddedRelation("strategy")),
        "1.2": Released("0.33"),  # audit_id can't be None any more
        "2.0": Released("ocata", Removed("first_action_id")),
        "2.1": Released("queens", Changed("global_efficacy", older=_only, newer=_listed)),
        "2.2": Released("rocky", Added("hostname")),
        "2.3": Released("2025.2", Added("status_message")),
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

    table = models.action_plans
    resource = "action_plan"
    not_found = exception.ActionPlanNotFound
    already_exists = exception.ActionPlanAlreadyExists
    referenced = exception.ActionPlanReferenced

    @classmethod
    @base.remotable
    def supersede_expired(cls, context: Any, hours: float) -> list[Self]:
        """Set plans that have been RECOMMENDED for longer than ``hours`` to SUPERSEDED.

        :param hours: how long a recommendation is valid, a number of at least 0
        :returns: the plans that have been superseded
        :raises InvalidValue: there is no such time
        """
        due = {"state": State.RECOMMENDED, "created_at__lt": coercion.ago("hours", hours, "hours")}
        return cls._bulk_update(context, due, {"state": State.SUPERSEDED})
