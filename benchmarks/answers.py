# SPDX-License-Identifier: Apache-2.0
"""What the operations of an implementation come to, in words that all have in common."""

import datetime
import json
import re
from typing import Any

from benchmarks import rows, sql
from benchmarks.operations import Operations

#: The audits that are looked at closely.
SAMPLE = (1, rows.RICH, 2000)
#: What each implementation makes for itself; that it is there is all that can be compared.
OWN = ("id", "uuid", "created_at", "updated_at", "deleted_at", "deleted")
BOOLEANS = ("auto_trigger", "force")
TEXT = "café, after a change"


def plain(name: str, value: Any) -> Any:
    """Return a column's value as JSON has it: times in UTC, documents decoded."""
    if value is None:
        return None
    if name in rows.TIMES:
        return _time(value)
    if name in rows.DOCUMENTS and isinstance(value, str):
        return json.loads(value)
    return bool(value) if name in BOOLEANS else value


def _time(value: Any) -> str:
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    if value.tzinfo:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return str(value.isoformat("T", "microseconds"))


def normal(values: dict[str, Any]) -> dict[str, Any]:
    """Return an audit's columns, and those of goal and strategy, in such values."""
    return {
        name: normal(value) if name in ("goal", "strategy") else plain(name, value)
        for name, value in values.items()
    }


def without_fractions(value: Any) -> Any:
    """Return something whose times end with the seconds, and whose changes are in order.

    Watcher's primitives have no fractions of seconds; ours do.
    """
    found = json.loads(re.sub(r"(T\d\d:\d\d:\d\d)\.\d+", r"\1", json.dumps(value)))
    found.get("watcher_object.changes", []).sort()
    return found


class Answers:
    """What the operations of an implementation come to."""

    def __init__(self, implementation: Any, operations: Operations, database: sql.Database):
        self.implementation = implementation
        self.operations = operations
        self.database = database

    def all(self) -> dict[str, Any]:
        """Return the answers by operation."""
        found = {**self._reads(), **self._lists(), **self._writes()}
        if self.operations.can("to_primitive"):
            found |= self._primitives()
        return found

    def _as_dict(self, audit: Any, eager: bool = False) -> dict[str, Any]:
        return normal(self.implementation.as_dict(audit, eager))

    def _reads(self) -> dict[str, Any]:
        get, idents = self.implementation.get, [rows.ident(n) for n in SAMPLE]
        return {
            "get": [self._as_dict(get(ident)) for ident in idents],
            "get_eager": [self._as_dict(get(ident, eager=True), True) for ident in idents],
        }

    def _lists(self) -> dict[str, Any]:
        pages = {"list100": (100, "PENDING", False), "list1000": (1000, None, False)}
        pages["list1000_eager"] = (1000, None, True)
        return {
            op: [self._as_dict(audit, eager) for audit in self.implementation.list(*page, eager)]
            for op, (*page, eager) in pages.items()
        }

    def _writes(self) -> dict[str, Any]:
        return {
            "create": self._create(),
            "save": self._written("save"),
            "soft_delete": self._written("soft_delete"),
            "destroy": self._written("destroy"),
            "refresh": self._refresh(),
        }

    def _create(self) -> Any:
        values = rows.values(7) | {"name": "created"}
        audit = self.operations.new(values)
        created = self.implementation.create(audit) or audit
        values = self._as_dict(created)
        ((number,),) = self.database.run("SELECT max(id) FROM audits")
        found = self._row(number)
        self.operations.clear()
        assert values["id"] == number, "create() does not set the id"  # noqa: S101 - a check
        return found

    def _written(self, op: str) -> Any:
        (audit,) = self.operations.spare(1)
        method = getattr(self.implementation, op)
        method(audit, TEXT) if op == "save" else method(audit)
        found = self._row(rows.SPARE)
        self.operations.clear()
        return found

    def _row(self, number: int) -> dict[str, Any] | None:
        """Return a row as it is in the database."""
        statement = f"SELECT {sql.names(rows.AUDIT)} FROM audits WHERE id = %s"
        for row in self.database.run(statement, number):
            values = normal(dict(zip(rows.AUDIT, row, strict=True)))
            return {n: (v not in (None, 0)) if n in OWN else v for n, v in values.items()}
        return None

    def _refresh(self) -> Any:
        (audit,) = self.operations.spare(1)
        statement = "UPDATE audits SET status_message = %s WHERE id = %s"
        self.database.run(statement, TEXT, rows.SPARE)
        values = self._as_dict(self.implementation.refresh(audit) or audit)
        self.operations.clear()
        return values

    def _primitives(self) -> dict[str, Any]:
        eager = self.implementation.get(rows.ident(rows.RICH), eager=True)
        audits = [*(self.implementation.get(rows.ident(n)) for n in SAMPLE), eager]
        primitives = [self.implementation.to_primitive(audit) for audit in audits]
        again = [self.implementation.from_primitive(primitive) for primitive in primitives]
        return {
            "to_primitive": [without_fractions(primitive) for primitive in primitives],
            "from_primitive": [without_fractions(self._as_dict(audit)) for audit in again],
        }
