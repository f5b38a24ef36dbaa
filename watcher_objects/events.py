# SPDX-License-Identifier: Apache-2.0
"""What happened, told after the commit to whoever asked."""

import collections
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from watcher_objects import exception

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """One write that has happened, or a move that was refused.

    :ivar resource: the kind of object: ``audit``, ``goal``, ...
    :ivar kind: ``create``, ``update``, ``delete`` (softly) or ``destroy``; or ``refuse``
    :ivar context: the context of the object that was written
    :ivar obj: the object as it was written; where it is told later than that, a copy taken then
    :ivar old_state: the state that the row left in this write; None where it left none
    :ivar error: the refusal
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


class _Thread(threading.local):
    def __init__(self) -> None:
        self.waiting: collections.deque[Event] = collections.deque()


_subscriptions: list[_Subscription] = []
_thread = _Thread()


def subscribe(callback: Callable[[Event], Any], refusals: bool = False) -> Callable[[], None]:
    """Call ``callback`` with every :class:`Event` from now on, in the thread that wrote.

    What it raises is logged: the write has happened and stands.

    :param refusals: tell of each move that is refused, too, at once
    :returns: a function that ends the subscription; calling it again does nothing
    :raises InvalidParameter: it can't be called
    """
    if not callable(callback):
        raise exception.InvalidParameter(parameter="callback", parameter_type="a function")
    subscription = _Subscription(callback, refusals)

    def unsubscribe() -> None:
        with suppress(ValueError):
            _subscriptions.remove(subscription)

    _subscriptions.append(subscription)
    return unsubscribe


def is_telling() -> bool:
    """Tell whether this thread is in :func:`publish` now."""
    return bool(_thread.waiting)


def publish(event: Event) -> None:
    """Tell every subscriber; what happens while they are told, they are told after that."""
    waiting = _thread.waiting
    waiting.append(event)
    if len(waiting) > 1:
        return
    try:
        while waiting:
            _tell(waiting[0])
            waiting.popleft()
    finally:
        waiting.clear()


def _tell(event: Event) -> None:
    for subscription in tuple(_subscriptions):
        is_asked_for = event.error is None or subscription.refusals
        if not is_asked_for or subscription not in _subscriptions:
            continue
        try:
            subscription.callback(event)
        except Exception:
            LOG.exception("A subscriber failed on %s.%s", event.resource, event.kind)
