# SPDX-License-Identifier: Apache-2.0
"""The subject of the tests: this library."""

from collections.abc import Callable
from typing import Any

from oslo_context.context import RequestContext

from watcher_objects import Audit, Goal, db, events, exception


class Subject:
    """The objects, on a database of which they tell all events."""

    Audit, Goal = Audit, Goal
    #: The logger that tells of each call that is tried again, and how it begins to.
    RETRIES = ("watcher_objects.db.backend.budget", "Trying again")
    #: What tells a caller that the call was refused, and nothing has happened.
    REFUSALS = (exception.InvalidStateTransition, exception.ResourceNotFound)

    def __init__(self, url: str, hear: Callable[[str, Any, str | None], None]) -> None:
        db.configure(url)
        self.context = RequestContext()
        events.subscribe(
            lambda event: (
                hear(event.kind, event.obj, event.old_state) if event.resource == "audit" else None
            )
        )
