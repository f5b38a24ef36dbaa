# SPDX-License-Identifier: Apache-2.0
"""Persistent versioned objects of an optimisation service."""

import warnings

with warnings.catch_warnings():
    # oslo.versionedobjects imports oslo.messaging, and that eventlet, which none of us uses.
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    import oslo_messaging  # noqa: F401

from watcher_objects.action import Action
from watcher_objects.action_description import ActionDescription
from watcher_objects.action_plan import ActionPlan
from watcher_objects.audit import Audit
from watcher_objects.audit_template import AuditTemplate
from watcher_objects.claims import Worker
from watcher_objects.efficacy_indicator import EfficacyIndicator
from watcher_objects.goal import Goal
from watcher_objects.journal import Transition
from watcher_objects.scoring_engine import ScoringEngine
from watcher_objects.service import Service
from watcher_objects.strategy import Strategy

__all__ = [
    "Action",
    "ActionDescription",
    "ActionPlan",
    "Audit",
    "AuditTemplate",
    "EfficacyIndicator",
    "Goal",
    "ScoringEngine",
    "Service",
    "Strategy",
    "Transition",
    "Worker",
    "register_all",
]


def register_all() -> None:
    """Make sure that every object class is registered; importing this package has done it."""
