# SPDX-License-Identifier: Apache-2.0
"""These objects as ``watcher.objects``, for the services of OpenStack Watcher.

``watcher_on_objects`` fills the modules of that name from here when Watcher imports them. The
library is extended only by what is open to everyone: subclasses of the entities, registered in
their place; :func:`watcher_objects.exception.catch_as`; :func:`watcher_objects.events.subscribe`;
:func:`watcher_objects.db.configure`. What is changed in Watcher itself stands in
:mod:`watcher_objects.adapter.patches`.
"""

import importlib
from types import ModuleType

#: The modules of ``watcher.objects``.
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


def fill(module: ModuleType) -> None:
    """Fill ``watcher.objects``, or one of its modules, with what Watcher expects there."""
    _, _, name = module.__name__.partition("watcher.objects.")
    if name:
        found = vars(importlib.import_module(f"watcher_objects.{name}"))
        vars(module).update({key: v for key, v in found.items() if not key.startswith("__")})
    # Not before: it imports what chooses the backend of oslo.service.
    entities = importlib.import_module("watcher_objects.adapter.entities")
    vars(module).update(entities.names(module.__name__))
    if not name:
        vars(module)["register_all"] = importlib.import_module(
            "watcher_objects.adapter.startup"
        ).start
        for each in MODULES:
            importlib.import_module(f"{module.__name__}.{each}")
