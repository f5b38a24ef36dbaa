# SPDX-License-Identifier: Apache-2.0
"""Put our objects in the place of Watcher's, before anything of Watcher imports its own."""

import ast
import importlib
import sys
from contextlib import suppress

import watcher
from oslo_config import cfg

import watcher_objects
from watcher_objects import AuditTemplate, base, events, exception
from watcher_objects.fields import coercion

MODULES = (
    "action",
    "action_description",
    "action_plan",
    "audit",
    "audit_template",
    "base",
    "efficacy_indicator",
    "fields",
    "goal",
    "scoring_engine",
    "service",
    "strategy",
)
NOTIFIED = ("action", "action_plan", "audit")


def install():
    """Let ``watcher.objects`` be our package, and all that it knows of Watcher's be told."""
    assert "watcher.objects" not in sys.modules, "Watcher has its own objects already"
    watcher.objects = sys.modules["watcher.objects"] = watcher_objects
    for name in MODULES:
        module = importlib.import_module(f"watcher_objects.{name}")
        sys.modules[f"watcher.objects.{name}"] = module
    let_watcher_call_ours()
    let_watcher_catch_our_errors()
    events.subscribe(notify)


def let_watcher_call_ours():
    """Take the calls that Watcher makes otherwise than we do."""
    base.WatcherPersistentObject.__init__ = take_fields
    coercion.from_json = from_text
    watcher_objects.AuditTemplate.list = filters_first
    watcher_objects.Service.state = property(  # The monitor notes there what it finds.
        lambda self: self._state, lambda self, value: setattr(self, "_state", value)
    )
    watcher_objects.action_plan.StateManager = StateManager
    # Only tests ask for it: to read what our objects have written.
    base.WatcherPersistentObject.dbapi = importlib.import_module("watcher.db.api").get_instance()


def take_fields(self, context=None, init=base.WatcherPersistentObject.__init__, **given):
    """Make an object of what fits of all that the API knows, and hands over.

    None for a related object tells Watcher that it has not been loaded.
    """
    loaded = {k: v for k, v in given.items() if v is not None or k not in self.object_fields}
    init(self, context, **{name: loaded[name] for name in loaded.keys() & self.fields})


def filters_first(
    context, filters=None, limit=None, marker=None, by_name=AuditTemplate.list, **order
):
    """List audit templates by Watcher's order of the arguments."""
    return by_name(context, limit, marker, filters, **order)


class StateManager:
    """What Watcher's engine asks for old action plans."""

    def check_expired(self, context):
        """Supersede the plans that are older than Watcher's configuration says."""
        hours = cfg.CONF.watcher_decision_engine.action_plan_expiry
        watcher_objects.ActionPlan.supersede_expired(context, hours)


def from_text(field, value, allowed, from_json=coercion.from_json):
    """Take Python's spelling of a document too: Watcher's syncer stores ``str(schema)``."""
    try:
        return from_json(field, value, allowed)
    except exception.InvalidValue:
        # Last, since in Python 3.11 two threads at this may end in a SystemError.
        with suppress(ValueError, SyntaxError):
            return ast.literal_eval(value)
        raise


class OursAlone:
    """What keeps Watcher's constructor from forgetting the arguments that ours has kept."""

    def __init__(self, message):
        Exception.__init__(self, message)


def let_watcher_catch_our_errors():
    """Make each of our errors one of Watcher's of the same name, too, with our message."""
    theirs = importlib.import_module("watcher.common.exception")
    for name, ours in list(vars(exception).items()):
        is_error = isinstance(ours, type) and issubclass(ours, exception.WatcherException)
        if is_error and hasattr(theirs, name) and name != "WatcherException":
            first, *rest = ours.__bases__
            stop = [OursAlone] if first is exception.WatcherException else []
            ours.__bases__ = (first, *stop, getattr(theirs, name), *rest)


def notify(event):
    """Send the notification that Watcher's objects would have sent themselves."""
    if event.resource not in NOTIFIED or event.kind == "destroy":
        return
    send = getattr(importlib.import_module("watcher.notifications"), event.resource)
    if event.kind == "update":
        send.send_update(event.context, event.obj, old_state=event.old_state)
    else:
        getattr(send, f"send_{event.kind}")(event.context, event.obj)
