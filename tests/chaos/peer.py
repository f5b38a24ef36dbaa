# SPDX-License-Identifier: Apache-2.0
"""The other subject: OpenStack Watcher's own objects, in an environment that has them."""

import warnings
from collections.abc import Callable
from typing import Any

import watcher.common.service  # noqa: F401 - its options
from oslo_config import cfg
from watcher import objects
from watcher.common import context, exception

from tests.servers import admin


def configured(url: str) -> Any:
    """Configure Watcher's objects for a database, without notifications; return a context."""
    warnings.simplefilter("ignore")
    cfg.CONF([], project="watcher")
    cfg.CONF.set_override("connection", url, group="database")
    cfg.CONF.set_override("notification_level", None)
    objects.register_all()
    return context.make_context()


class Subject:
    """Watcher's objects, which publish no events."""

    RETRIES = ("oslo_db.api", "Performing DB retry")
    REFUSALS = (exception.ResourceNotFound,)

    def __init__(self, url: str, notify: Callable[[str, Any, str | None], None]) -> None:
        # With the driver that is there, which Watcher leaves to SQLAlchemy.
        self.context = configured(admin(url).url.render_as_string(hide_password=False))
        self.Audit, self.Goal = objects.Audit, objects.Goal
