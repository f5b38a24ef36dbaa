# SPDX-License-Identifier: Apache-2.0
"""What an idempotency key costs: a create with a key, and a repeat of it, next to a plain create.

``python -m benchmarks.idempotency`` prints JSON. They are called in turn, on each database that
can be reached; the faster the disk, the more the additional round trips of a key count.
"""

import uuid
from typing import Any

from oslo_context.context import RequestContext

from benchmarks import turns
from watcher_objects import Audit, db, idempotency

GOALS = {"with a key": ("create", 1.5), "repeat": ("create", 0.25)}
context = RequestContext()


def calls(url: str) -> turns.Calls:
    """Return what is timed; each call gets a key."""

    def create(key: Any = None) -> str:
        name = str(uuid.uuid4())
        audit = Audit(context, name=name, audit_type="ONESHOT", goal_id=1)
        audit.create()
        return audit.uuid

    def once(key: str) -> None:
        with idempotency.once(key, scope="project", fingerprint=key) as call:
            if not call.is_repeat:
                call.answer = {"uuid": create()}

    return [
        {"create": create, "in a transaction": db.transaction()(create)},
        {"with a key": once},
        {"repeat": once},
    ]


if __name__ == "__main__":
    turns.main(__doc__, calls, lambda kind: GOALS)
