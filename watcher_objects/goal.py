# SPDX-License-Identifier: Apache-2.0
"""Goals: what an optimisation is to reach."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import Released


@base.WatcherObjectRegistry.register
class Goal(base.Identified, base.Named, base.WatcherPersistentObject):
    """What an optimisation is to reach, and by which indicators that is judged."""

    history = {"1.0": Released("0.32")}

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "display_name": fields.StringField(),
        "efficacy_specification": fields.FlexibleListOfDictField(),
    }

    table = models.goals
    resource = "goal"
    not_found = exception.GoalNotFound
    already_exists = exception.GoalAlreadyExists
    referenced = exception.GoalReferenced
