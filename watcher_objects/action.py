# SPDX-License-Identifier: Apache-2.0
"""Actions: the steps of an action plan."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.states import ActionState as State
from watcher_objects.states import ActionStateTransitionManager
from watcher_objects.versions.history import Added, AddedRelation, Released, Removed

__all__ = ["Action", "ActionStateTransitionManager", "State"]


@base.WatcherObjectRegistry.register
class Action(base.Identified, base.WatcherPersistentObject):
    """One step of an action plan, which follows those that are its ``parents``."""

    history = {
        "1.0": Released("0.32"),
        "1.1": Released("0.32", AddedRelation("action_plan")),
        "2.0": Released("ocata", Added("parents", []), Removed("next")),
        "2.1": Released("2025.2", Added("status_message")),
    }

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "action_plan_id": fields.IntegerField(),
        "action_type": fields.StringField(nullable=True),
        "input_parameters": fields.DictField(nullable=True),
        "state": fields.StringField(nullable=True),
        "parents": fields.ListOfStringsField(nullable=True),
        "status_message": fields.StringField(nullable=True),
        "action_plan": fields.ObjectField("ActionPlan", nullable=True),
    }

    table = models.actions
    resource = "action"
    not_found = exception.ActionNotFound
    already_exists = exception.ActionAlreadyExists
    referenced = exception.ActionReferenced
