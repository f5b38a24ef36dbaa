# SPDX-License-Identifier: Apache-2.0
"""The names that programs import stay where they are."""

import importlib

import pytest

from tests import factory

NAMES = {
    "watcher_objects": [cls.__name__ for cls in factory.CLASSES]
    + ["Transition", "Worker", "register_all"],
    **{cls.__module__: [cls.__name__] for cls in factory.CLASSES},
    "watcher_objects.action": ["Action", "State"],
    "watcher_objects.action_plan": ["ActionPlan", "State"],
    "watcher_objects.audit": ["Audit", "AuditStateTransitionManager", "AuditType", "State"],
    "watcher_objects.service": ["Service", "ServiceStatus"],
    "watcher_objects.base": [
        "Identified",
        "Named",
        "WatcherObject",
        "WatcherObjectDictCompat",
        "WatcherObjectRegistry",
        "WatcherObjectSerializer",
        "WatcherPersistentObject",
        "remotable",
    ],
    "watcher_objects.db": [
        *("Not", "configure", "dispose", "get_engine", "transaction", "transactional"),
    ],
    "watcher_objects.db.api": [
        *("create", "destroy", "get", "list", "soft_delete", "update"),
    ],
    "watcher_objects.db.migration": [
        *("check", "downgrade", "history", "stamp", "upgrade", "version", "watch_foreign"),
    ],
    "watcher_objects.db.models": ["audits", "goals", "metadata"],
    "watcher_objects.db.purge": ["History", "Selection", "remove", "remove_history"],
    "watcher_objects.events": ["subscribe"],
    "watcher_objects.exception": [
        *("AuditNotFound", "KeyReused", "MergeConflict", "NoMergeBase", "OutcomeUnknown"),
        "storable_text",
    ],
    "watcher_objects.fields": ["DateTimeField", "IntegerField", "ObjectField", "StringField"],
    "watcher_objects.idempotency": ["Call", "forget", "once"],
    "watcher_objects.claims": [
        "Lease",
        "Statistics",
        "Work",
        "Worker",
        "WorkerCount",
        "claim",
        "claim_many",
        "claim_next",
        "due",
        "statistics",
        "take_over",
    ],
    "watcher_objects.journal": ["Transition", "because"],
    "watcher_objects.rpc": ["disable", "enable"],
    "watcher_objects.states": ["AuditStateTransitionManager"],
    "watcher_objects.testing": ["Factory", "Lifecycle"],
    "watcher_objects.versions": ["RELEASES", "pin"],
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names_can_be_imported(module):
    imported = importlib.import_module(module)
    assert [name for name in NAMES[module] if not hasattr(imported, name)] == []
