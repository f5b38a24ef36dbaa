# SPDX-License-Identifier: Apache-2.0
"""Action descriptions: what the types of actions do."""

from typing import Any, Self

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import Released


@base.WatcherObjectRegistry.register
class ActionDescription(base.WatcherPersistentObject):
    """What the actions of one type do; each type has one description, deleted ones included."""

    history = {"1.0": Released("pike")}

    fields = {
        "id": fields.IntegerField(),
        "action_type": fields.StringField(),
        "description": fields.StringField(),
    }

    table = models.action_descriptions
    resource = "action_description"
    not_found = exception.ActionDescriptionNotFound
    already_exists = exception.ActionDescriptionAlreadyExists

    @classmethod
    @base.remotable
    def get_by_type(cls, context: Any, action_type: str) -> Self:
        """Return the description of this type of action; see :meth:`get`.

        :raises InvalidValue: the argument cannot be a type
        """
        return cls._get_by(context, "action_type", action_type)
