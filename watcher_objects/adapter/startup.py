# SPDX-License-Identifier: Apache-2.0
"""What happens once Watcher has read its configuration: the database, notifications, the log."""

import importlib
import importlib.metadata
import logging
from typing import Any

from oslo_config import cfg
from oslo_db import options

from watcher_objects import db, events

LOG = logging.getLogger("watcher_on_objects")

#: The life-cycles of Watcher's services.
PROFILE = "watcher"

#: The options in [database], and the parameter of the pool that each one sets.
POOL = {
    "max_pool_size": "pool_size",
    "max_overflow": "max_overflow",
    "connection_recycle_time": "pool_recycle",
    "pool_timeout": "pool_timeout",
}

#: The resources about which Watcher sends versioned notifications.
NOTIFIED = ("action", "action_plan", "audit")


def configure() -> db.Database | None:
    """Configure the library with the section [database] of Watcher's configuration.

    :returns: the database; None if no connection is configured
    """
    cfg.CONF.register_opts(options.database_opts, "database")
    section = cfg.CONF.database
    if not section.connection:
        return None
    pool = {name: section[option] for option, name in POOL.items() if section[option] is not None}
    return db.configure(section.connection, transitions=PROFILE, **pool)


def start() -> None:
    """Configure the database, and log what runs; Watcher calls it as ``register_all``."""
    database = configure()
    LOG.info(
        "watcher_objects %s is in the place of the objects of Watcher %s; database %s, profile %s",
        importlib.metadata.version("watcher-objects"),
        importlib.metadata.version("python-watcher"),
        database.engine.url.render_as_string(hide_password=True) if database else "none",
        PROFILE,
    )


def notify(event: events.Event) -> None:
    """Send the versioned notifications that Watcher's own objects send.

    A soft deletion is an update of the state and a deletion. Watcher's update of an action is
    without the old state.
    """
    if event.resource not in NOTIFIED or not cfg.CONF.notification_level:
        return
    send: Any = getattr(importlib.import_module("watcher.notifications"), event.resource)
    about = (event.context, event.obj)
    if event.kind == "create":
        send.send_create(*about)
    elif event.kind in ("update", "delete"):
        old = {} if event.resource == "action" else {"old_state": event.old_state}
        send.send_update(*about, **old)
        if event.kind == "delete":
            send.send_delete(*about)


events.subscribe(notify)
