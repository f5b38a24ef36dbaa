# SPDX-License-Identifier: Apache-2.0
"""The versioned notifications that Watcher's own objects send."""

import importlib
from typing import Any

from oslo_config import cfg

from watcher_objects import events

#: The resources about which Watcher sends notifications.
RESOURCES = ("action", "action_plan", "audit")


def notify(event: events.Event) -> None:
    """Send what Watcher sends about a committed write.

    A soft deletion is an update of the state and a deletion. Watcher's update of an action is
    without the old state.
    """
    if event.resource not in RESOURCES or not cfg.CONF.notification_level:
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
