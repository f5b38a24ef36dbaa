# SPDX-License-Identifier: Apache-2.0
"""Events: notifications about committed writes, and about rejected transitions."""

import collections
import dataclasses
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from types import FrameType
from typing import Any

from watcher_objects import exception
from watcher_objects.db.backend import execution

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Event:
    """A committed write, or a rejected transition.

    :ivar resource: the kind of object: ``audit``, ``goal`` ...
    :ivar kind: ``create``, ``update``, ``delete`` (soft deletion), ``destroy`` or ``refuse``
    :ivar context: the context of the object that was written
    :ivar obj: the object as it was written; in a transaction, a copy made at the time of the write
    :ivar old_state: the state of the row before a transition; None without a transition
    :ivar error: the error of a rejected transition
    """

    resource: str
    kind: str
    context: Any
    obj: Any
    old_state: str | None = None
    error: exception.InvalidStateTransition | None = None


class _Subscription:
    def __init__(self, callback: Callable[[Event], Any], refusals: bool) -> None:
        self.callback = callback
        self.refusals = refusals


_subscriptions: list[_Subscription] = []
# The frame of the running :func:`publish`, and the events that it has yet to publish.
_publishing: ContextVar[tuple[FrameType, collections.deque[Event]] | None] = ContextVar(
    "publishing", default=None
)


def subscribe(callback: Callable[[Event], Any], refusals: bool = False) -> Callable[[], None]:
    """Call ``callback`` with every :class:`Event` from now on, in the thread that wrote.

    An error that the callback raises is logged, and does not affect the write.

    :param refusals: also publish rejected transitions, immediately
    :returns: a function that ends the subscription; calling it again has no effect
    :raises InvalidParameter: the callback is not callable
    """
    if not callable(callback):
        raise exception.InvalidParameter(parameter="callback", parameter_type="a function")
    subscription = _Subscription(callback, refusals)

    def unsubscribe() -> None:
        with suppress(ValueError):
            _subscriptions.remove(subscription)

    _subscriptions.append(subscription)
    return unsubscribe


def has_subscribers() -> bool:
    """Return whether anyone is notified of what is written now."""
    return bool(_subscriptions)


def publish(event: Event) -> None:
    """Call every subscriber; events that subscribers cause are published afterwards."""
    if not _subscriptions:
        return
    found = _publishing.get()
    if found is not None and execution.is_running(found[0]):
        # The caller may go on to change its object.
        found[1].append(dataclasses.replace(event, obj=event.obj.obj_clone()))
        return
    waiting = collections.deque([event])
    _publishing.set((sys._getframe(), waiting))
    try:
        while waiting:
            _notify(waiting.popleft())
    finally:
        _publishing.set(None)


def _notify(event: Event) -> None:
    for subscription in tuple(_subscriptions):
        is_wanted = event.error is None or subscription.refusals
        if not is_wanted or subscription not in _subscriptions:
            continue
        try:
            subscription.callback(event)
        except Exception:
            LOG.exception("A subscriber failed on %s.%s", event.resource, event.kind)
