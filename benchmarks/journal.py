# SPDX-License-Identifier: Apache-2.0
"""What the journal costs: writes with and without it, and the history of an object next to a get.

``python -m benchmarks.journal`` prints JSON. They are called in turn, on each database that can
be reached; the faster the disk, the more an additional row counts.
"""

import uuid
from typing import Any

from oslo_context.context import RequestContext

from benchmarks import turns
from watcher_objects import Audit, Transition
from watcher_objects.db.backend import database

context = RequestContext(user_id="ada", project_id="maintenance")


def calls(url: str) -> turns.Calls:
    """Return what is timed."""
    configured = database.current()
    moved = _created()
    for state in ("ONGOING", "SUSPENDED", "ONGOING"):
        moved.state = state
        moved.save()
    waiting: list[Audit] = []

    def create(key: str) -> None:
        waiting.append(_created())

    def save(key: str) -> None:
        audit = waiting.pop()
        audit.state = "ONGOING"
        audit.save()

    def off(call: Any) -> Any:
        def called(key: str) -> None:
            # On the same connection: another would read again what this one has written.
            configured.journal = False
            call(key)
            configured.journal = True

        return called

    return [
        {"create": create, "create without": off(create)},
        {"save": save, "save without": off(save)},
        {
            "get": lambda key: Audit.get_by_uuid(context, moved.uuid),
            "history": lambda key: Transition.of(context, moved),
        },
    ]


def _created() -> Audit:
    audit = Audit(context, name=str(uuid.uuid4()), audit_type="ONESHOT", goal_id=1)
    audit.create()
    return audit


def goals(kind: str) -> turns.Goals:
    """Return the ratios that are to be reached."""
    limit = 1.2 if kind == "mysql" else 1.15
    return {
        "save": ("save without", limit),
        "create": ("create without", 1.5),
        "history": ("get", 1.2),
    }


if __name__ == "__main__":
    turns.main(__doc__, calls, goals)
