# SPDX-License-Identifier: Apache-2.0
"""The operations that are timed: what is called, on what, and how the stage is set."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks import rows, sql

OPS = (
    "construct",
    "create",
    "get",
    "get_eager",
    "list100",
    "list1000",
    "list1000_read",
    "list1000_eager",
    "list1000_eager_read",
    "save",
    "refresh",
    "soft_delete",
    "destroy",
    "to_primitive",
    "from_primitive",
)
#: Operations that change a row, each of them another one, and how often they are called.
WRITES = dict.fromkeys(("create", "save", "soft_delete", "destroy"), 20)
_METHODS = {"get_eager": "get"} | {op: "list" for op in OPS if op.startswith("list")}


def another_text(number: int) -> str:
    """Return a text that a row has not had before."""
    return f"Changed {number}"


class Operations:
    """The operations of one implementation on one database."""

    def __init__(self, implementation: Any, database: sql.Database) -> None:
        self.implementation = implementation
        self.database = database
        ((self.last,),) = database.run("SELECT max(id) FROM audits")
        self._counter = itertools.count(1)

    def can(self, op: str) -> bool:
        """Return whether the implementation has such an operation."""
        return hasattr(self.implementation, _METHODS.get(op, op))

    def fixed(self, op: str) -> int | None:
        """Return how often a write is called; None for what may be called at will."""
        return WRITES.get(op)

    def per(self, op: str) -> int:
        """Return by how many objects a call's time is divided."""
        return 1000 if op.startswith("list1000") else 1

    @contextlib.contextmanager
    def prepared(self, op: str, count: int) -> Iterator[tuple[Callable[[Any], Any], list[Any]]]:
        """Yield a function and what it is to be called with; rows that came go again."""
        yield self._call(op), self._subjects(op, count)
        if op in WRITES:
            self.clear()

    def clear(self) -> None:
        """Remove the rows that there were not at first, and their history."""
        self.database.run("DELETE FROM audits WHERE id > %s", self.last)
        self.database.run("DELETE FROM transitions WHERE object_id > %s", self.last)

    def _call(self, op: str) -> Callable[[Any], Any]:
        implementation = self.implementation
        special: dict[str, Callable[[Any], Any]] = {
            "get_eager": partial(implementation.get, eager=True),
            "list100": partial(implementation.list, state="PENDING"),
            "list1000": implementation.list,
            "list1000_eager": partial(implementation.list, eager=True),
            "list1000_read": self._read,
            "list1000_eager_read": partial(self._read, eager=True),
            "save": lambda subject: implementation.save(*subject),
        }
        return special.get(op) or getattr(implementation, op)

    def _read(self, limit: int | None, eager: bool = False) -> Any:
        """List, and read each field of each object."""
        found = self.implementation.list(limit, eager=eager)
        read = self.implementation.read
        for audit in found:
            read(audit, eager)
        return found

    def listed(self, how: str, limit: int | None) -> Any:
        """Return a list: ``list``, ``list + read`` or ``list eager``."""
        if how == "list + read":
            return self._read(limit)
        return self.implementation.list(limit, eager=how == "list eager")

    def _subjects(self, op: str, count: int) -> list[Any]:
        if op.startswith("list"):
            return [100 if op == "list100" else 1000] * count
        makers: dict[str, Callable[[int], list[Any]]] = {
            "construct": lambda count: [rows.values(n) for n in range(count)],
            "create": lambda count: [self.new(rows.values(n)) for n in range(count)],
            "get": self._idents,
            "get_eager": self._idents,
            "save": self._changes,
            "refresh": self.got,
            "soft_delete": self.spare,
            "destroy": self.spare,
            "to_primitive": self.got,
            "from_primitive": lambda n: [self.implementation.to_primitive(a) for a in self.got(n)],
        }
        return makers[op](count)

    def _idents(self, count: int) -> list[str]:
        return [rows.ident(1 + next(self._counter) % self.last) for _ in range(count)]

    def new(self, values: dict[str, Any]) -> Any:
        """Return what ``create`` takes: an object, where there are objects."""
        make = "construct" if self.can("construct") else "new"
        return getattr(self.implementation, make)(values)

    def _changes(self, count: int) -> list[tuple[Any, str]]:
        audits = (self.implementation.get(ident, eager=True) for ident in self._idents(count))
        return [(audit, another_text(next(self._counter))) for audit in audits]

    def got(self, count: int) -> list[Any]:
        """Return different audits that are stored."""
        return [self.implementation.get(ident) for ident in self._idents(count)]

    def spare(self, count: int) -> list[Any]:
        """Return audits that nobody else needs, in a state from which they may be deleted.

        They have goal and strategy, without which Watcher writes no audit that is stored.
        """
        numbers = range(rows.SPARE, rows.SPARE + count)
        self.database.load("audits", (rows.audit(n, state="SUCCEEDED") for n in numbers))
        return [self.implementation.get(rows.ident(n), eager=True) for n in numbers]
