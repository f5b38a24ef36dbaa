# SPDX-License-Identifier: Apache-2.0
"""Action plans: what an audit found should be done."""

from watcher_objects import base, coercion, exception, fields
from watcher_objects.audit import Audit
from watcher_objects.db import models
from watcher_objects.states import ActionPlanState as State
from watcher_objects.states import ActionPlanStateTransitionManager
from watcher_objects.strategy import Strategy

__all__ = ["ActionPlan", "ActionPlanStateTransitionManager", "State"]


@base.WatcherObjectRegistry.register
class ActionPlan(base.Identified, base.WatcherPersistentObject):
    """The outcome of an audit: actions, and how much better that would be.

    Its actions and efficacy indicators go with it, when it is deleted and when it is destroyed.
    """

    # 1.0: initial version
    # 1.1: audit, strategy
    # 1.2: audit_id can't be None any more
    # 2.0: first_action_id is gone
    # 2.1: global_efficacy is a list, no longer a dict
    # 2.2: hostname
    # 2.3: status_message
    VERSION = "2.3"

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
        due = {"state": State.RECOMMENDED, "created_at__lt": coercion.hours_ago("hours", hours)}
        return cls._obj_update_all(context, due, {"state": State.SUPERSEDED})
