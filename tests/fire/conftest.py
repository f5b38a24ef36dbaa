# SPDX-License-Identifier: Apache-2.0
"""The databases that are put under fire."""

import pytest

from watcher_objects import db


@pytest.fixture
def target(url, database) -> str:
    """The URL of a database with empty tables, which this process is not connected to."""
    db.dispose()
    return url
