# SPDX-License-Identifier: Apache-2.0
"""What runs always, and what only where ``WATCHER_OBJECTS_TEST_LONG=true`` asks for it."""

import os

import pytest

LONG = os.environ.get("WATCHER_OBJECTS_TEST_LONG") == "true"
#: Marks a test, or a parameter of one, of the long tier.
long = pytest.mark.skipif(not LONG, reason="of the long tier: WATCHER_OBJECTS_TEST_LONG=true")
