# SPDX-License-Identifier: Apache-2.0
"""Persistent versioned objects of an optimisation service."""

import warnings

with warnings.catch_warnings():
    # oslo.versionedobjects imports oslo.messaging, and that eventlet, which none of us uses.
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    import oslo_messaging  # noqa: F401

from watcher_objects.audit import Audit
from watcher_objects.goal import Goal
from watcher_objects.strategy import Strategy

__all__ = ["Audit", "Goal", "Strategy", "register_all"]


def register_all() -> None:
    """Make sure that every object class is registered; importing this package has done it."""
