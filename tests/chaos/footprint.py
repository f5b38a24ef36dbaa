# SPDX-License-Identifier: Apache-2.0
"""What a call leaves behind, as seen from outside: compared with and without a fault."""

import collections
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa

from tests.chaos.calls import Call, Needed
from watcher_objects import events
from watcher_objects.db import models

#: Statements that a call makes at most.
STATEMENTS = 20


class Fault(Protocol):
    """What makes one statement of a call fail, and tells how often it has."""

    raised: int


#: Makes the n-th statement fail of what runs inside.
Failing = Callable[[int], AbstractContextManager[Fault]]


class Footprint:
    """Counts rows by their tables and states, and writes of audits by their moves."""

    def __init__(self, connection: sa.Connection, told: list[events.Event]) -> None:
        self.connection, self.told = connection, told

    def rows(self) -> collections.Counter[Any]:
        """Return the counts."""
        found = self.connection.exec_driver_sql(COUNTS)
        return collections.Counter({tuple(kind): number for *kind, number in found})

    def since(self, before: collections.Counter[Any]) -> dict[Any, int]:
        """Return what has changed."""
        after = self.rows()
        known = after.keys() | before.keys()
        return {kind: n for kind in known if (n := after[kind] - before[kind])}

    def kinds(self) -> list[Any]:
        """Return which events were told."""
        return [(event.resource, event.kind, event.old_state) for event in self.told]

    def of(self, needed: Needed) -> Any:
        """Make a call, and return all that comes of it."""
        objects, call = needed
        self.told.clear()
        before = self.rows()
        result = call()
        left = [(one.obj_what_changed(), vars(one).get("_obj_state")) for one in objects]
        return result, self.since(before), self.kinds(), left


def each_statement(
    make: Callable[[Any], Needed], context: Any, failing: Failing
) -> Iterator[tuple[list[Any], Call]]:
    """Yield a call whose first statement fails, whose second does, ... up to the last."""
    for at in range(1, STATEMENTS):
        needed = make(context)
        with failing(at) as fault:
            yield needed
            if not fault.raised:
                return
    raise AssertionError(f"more than {STATEMENTS} statements")


def _counts() -> Iterator[str]:
    yield "SELECT old_state, new_state, '', count(*) FROM chaos_writes GROUP BY 1, 2"
    for name, table in models.metadata.tables.items():
        state = "state" if "state" in table.columns else "''"
        is_deleted = "CASE WHEN deleted = 0 THEN '' ELSE 'deleted' END"
        deleted = is_deleted if "deleted" in table.columns else "''"
        yield f"SELECT '{name}', {state}, {deleted}, count(*) FROM {name} GROUP BY 1, 2, 3"


COUNTS = " UNION ALL ".join(_counts())
