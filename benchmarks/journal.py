# SPDX-License-Identifier: Apache-2.0
"""What the journal costs: writes with and without it, and the history of an object next to a get.

``python -m benchmarks.journal`` prints JSON. They are called in turn, on each database that can
be reached; the faster the disk, the more an additional row counts. What the driver alone takes for
an additional row, and for four rows instead of one, is printed as well.
"""

import re
import uuid
from typing import Any

from oslo_context.context import RequestContext

from benchmarks import turns
from watcher_objects import Audit, Transition
from watcher_objects.db.backend import database

_UPDATE = """
UPDATE audits SET state = :state, updated_at = CURRENT_TIMESTAMP, moves = :moves
WHERE id = :id AND deleted = 0
"""
_INSERT = """
INSERT INTO transitions
    (resource, object_id, object_uuid, seq, from_state, to_state, at, kind, request_id)
VALUES ('audit', :id, :uuid, :seq, 'ONGOING', 'SUSPENDED', CURRENT_TIMESTAMP, 'save', :call)
"""
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

    driver = _Driver(_created(), moved)
    return [
        {"create": create, "create without": off(create)},
        {"save": save, "save without": off(save)},
        {"driver: save": driver.save, "driver: save without": driver.save_without},
        {
            "get": lambda key: Audit.get_by_uuid(context, moved.uuid),
            "history": lambda key: Transition.of(context, moved),
            "driver: get": driver.get,
            "driver: history": driver.history,
        },
    ]


class _Driver:
    """The statements of these calls, without a library; a save changes one audit to and fro."""

    def __init__(self, saved: Audit, read: Audit) -> None:
        self._saved, self._read, self._moves = saved, read, 1
        engine = database.current().engine
        self._mark = "?" if engine.dialect.name == "sqlite" else "%s"
        # Kept, as the pool would take it back.
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._cursor: Any = self._connection.connection.cursor()

    def _run(self, statement: str, **values: Any) -> None:
        names = re.findall(r":(\w+)", statement)
        text = re.sub(r":\w+", self._mark, statement)
        self._cursor.execute(text, [values[name] for name in names])

    def get(self, key: str) -> None:
        self._fetch("SELECT * FROM audits WHERE uuid = :uuid AND deleted = 0")

    def history(self, key: str) -> None:
        self._fetch("SELECT * FROM transitions WHERE object_uuid = :uuid ORDER BY id DESC")

    def _fetch(self, select: str) -> None:
        self._run(select, uuid=self._read.uuid)
        self._cursor.fetchall()

    def save(self, key: str) -> None:
        self._run("BEGIN")
        self.save_without(key)
        self._run(_INSERT, id=self._saved.id, uuid=self._saved.uuid, seq=self._moves, call=key)
        self._run("COMMIT")

    def save_without(self, key: str) -> None:
        self._moves += 1
        states = ("ONGOING", "SUSPENDED")
        self._run(_UPDATE, state=states[self._moves % 2], id=self._saved.id, moves=self._moves)


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
        "driver: save": ("driver: save without", None),
        "driver: history": ("driver: get", None),
    }


if __name__ == "__main__":
    turns.main(__doc__, calls, goals)
