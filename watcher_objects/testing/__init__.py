# SPDX-License-Identifier: Apache-2.0
"""What the tests of a decision engine need: databases, objects to put there, and a judge.

The fixtures of ``pytest_watcher_objects`` are made of it; nothing here needs pytest.
"""

from watcher_objects.testing.database import databases
from watcher_objects.testing.factory import Factory
from watcher_objects.testing.lifecycle import Lifecycle

__all__ = ["Factory", "Lifecycle", "databases"]
