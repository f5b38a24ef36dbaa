# SPDX-License-Identifier: Apache-2.0
"""The database: :func:`configure` it once; group writes with :func:`transaction`."""

from watcher_objects.db.backend.database import Database, configure, dispose, get_engine
from watcher_objects.db.sql.expectations import Not
from watcher_objects.db.transactions import transaction
from watcher_objects.db.transactions.retries import transactional

__all__ = [
    "Database",
    "Not",
    "configure",
    "dispose",
    "get_engine",
    "transaction",
    "transactional",
]
