# SPDX-License-Identifier: Apache-2.0
"""Support for the tests of a decision engine: databases, a factory, a recorder, workers.

The fixtures of ``pytest_watcher_objects`` are based on it; this package does not need pytest.
"""

from watcher_objects.testing.database import databases
from watcher_objects.testing.factory import Factory
from watcher_objects.testing.lifecycle import Lifecycle
from watcher_objects.testing.workers import Process, Workers, expect_fenced

__all__ = ["Factory", "Lifecycle", "Process", "Workers", "databases", "expect_fenced"]
