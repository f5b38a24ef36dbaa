# SPDX-License-Identifier: Apache-2.0
"""The database: told once with :func:`configure`, grouped with :func:`transaction`."""

from watcher_objects.db.engine import configure, dispose, get_engine
from watcher_objects.db.retries import transactional
from watcher_objects.db.transactions import transaction

__all__ = ["configure", "dispose", "get_engine", "transaction", "transactional"]
