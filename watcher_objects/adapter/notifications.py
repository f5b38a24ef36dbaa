# SPDX-License-Identifier: Apache-2.0
"""The versioned notifications that Watcher's own objects send."""

import importlib
from contextvars import ContextVar
from typing import Any

from oslo_config import cfg

from watcher_objects import events

#: The resources about which Watcher sends notifications.
RESOURCES = ("action", "action_plan", "audit")

#: The uuid and the state of the last claim, unless what follows from it has been skipped.
_claimed: ContextVar[tuple[str, str] | None] = ContextVar("claimed", default=None)


def skip_repeated(obj: Any) -> None:
    """Send nothing when Watcher writes in this thread once more what a claim has written."""
    _claimed.set((obj.uuid, obj.state))


def notify_unchanged(obj: Any) -> None:
    """Send what Watcher sends about a write that changes nothing."""
    notify(events.Event(obj.resource, "update", obj._context, obj))


def notify(event: events.Event) -> None:
    """Send what Watcher sends about a committed write.

    A soft deletion is an update of the state and a deletion. Watcher's update of an action is
    without the old state.
    """
    if event.resource not in RESOURCES or not cfg.CONF.notification_level:
        return
    if event.kind == "update" and _claimed.get() == (event.obj.uuid, event.obj.state):
        _claimed.set(None)
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
