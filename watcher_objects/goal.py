# SPDX-License-Identifier: Apache-2.0
"""Goals: what an optimisation is to reach."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models


@base.WatcherObjectRegistry.register
class Goal(base.Identified, base.Named, base.WatcherPersistentObject):
    """What an optimisation is to reach, and by which indicators that is judged."""

    VERSION = "1.0"

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
