# SPDX-License-Identifier: Apache-2.0
"""Action descriptions: what the types of actions do."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models


@base.WatcherObjectRegistry.register
class ActionDescription(base.WatcherPersistentObject):
    """What the actions of one type do; of each type there is one, deleted ones included."""

    VERSION = "1.0"

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
    def get_by_type(cls, context, action_type):
        """Return the description of this type of action; see :meth:`get`.

        :raises InvalidValue: there can be no such type
        """
        return cls._obj_get_by(context, "action_type", action_type)
