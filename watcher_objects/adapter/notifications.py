# SPDX-License-Identifier: Apache-2.0
"""The versioned notifications that Watcher's own objects send."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from oslo_config import cfg

from watcher_objects import events

#: The resources about which Watcher sends notifications.
RESOURCES = ("action", "action_plan", "audit")

_only_changes: ContextVar[bool] = ContextVar("only_changes", default=False)


@contextmanager
def only_changes() -> Iterator[None]:
    """Send no notifications of writes that change nothing, in this block and thread."""
    token = _only_changes.set(True)
    try:
        yield
    finally:
        _only_changes.reset(token)


def notify_unchanged(obj: Any) -> None:
    """Send what Watcher sends about a write that changes nothing."""
    if not _only_changes.get():
        notify(events.Event(obj.resource, "update", obj._context, obj))


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
