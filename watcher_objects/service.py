# SPDX-License-Identifier: Apache-2.0
"""Services: the engines and appliers that run, and when they were last heard of."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.states import ServiceStatus
from watcher_objects.versions.history import Released

__all__ = ["Service", "ServiceStatus"]


@base.WatcherObjectRegistry.register
class Service(base.Named, base.WatcherPersistentObject):
    """A service on a host, one of several with its name."""

    history = {"1.0": Released("0.32")}

    fields = {
        "id": fields.IntegerField(),
        "name": fields.StringField(),
        "host": fields.StringField(),
        "last_seen_up": fields.DateTimeField(nullable=True, tzinfo_aware=False),
    }

    table = models.services
    resource = "service"
    not_found = exception.ServiceNotFound
    already_exists = exception.ServiceAlreadyExists
