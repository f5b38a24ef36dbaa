# SPDX-License-Identifier: Apache-2.0
"""Faults of rows that an upgrade repairs, as its revisions declare them under ``repairs``."""

import collections
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

import sqlalchemy as sa


class _Kind(NamedTuple):
    """Whether a value has a fault, what replaces it, and how it is reported."""

    has_fault: Callable[[Any], bool]
    repaired: Callable[[sa.Column[Any], Any], Any]
    what: str
    remedy: str


_KINDS = {
    "null": _Kind(
        lambda value: value is None,
        lambda column, value: column.type.python_type(),
        "no {column}",
        "it stores one",
    ),
    "object": _Kind(
        lambda value: isinstance(value, str) and value.lstrip().startswith("{"),
        lambda column, value: f"[{value}]",
        "one JSON object as {column}",
        "it stores a list",
    ),
    # MariaDB's driver returns it as text.
    "zero date": _Kind(
        lambda value: isinstance(value, str) and "-00" in value,
        lambda column, value: None,
        "a zero date as {column}",
        "it stores NULL",
    ),
}


class Repairs:
    """What some revisions repair, and how many rows were met that have such faults."""

    def __init__(self, steps: Iterable[Any]) -> None:
        self._of: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
        self._met: collections.Counter[tuple[str, str, str]] = collections.Counter()
        for step in steps:
            for table, column, kind in getattr(step.module, "repairs", ()):
                self._of[table].append((column, kind))

    def __bool__(self) -> bool:
        return bool(self._of)

    def apply(self, table: sa.Table, row: MutableMapping[str, Any]) -> None:
        """Repair a row of a table as the upgrade will; a column that is not there yet, too."""
        for name, kind in self._of[table.name]:
            if _KINDS[kind].has_fault(row.get(name)):
                self._met[table.name, name, kind] += name in row
                row[name] = _KINDS[kind].repaired(table.columns[name], row.get(name))

    def met(self) -> Iterator[tuple[str, str]]:
        """Yield what was found, and what the upgrade does about it."""
        for (table, column, kind), number in (+self._met).items():
            what = _KINDS[kind].what.format(column=column)
            yield f"rows of {table} with {what}: {number}", _KINDS[kind].remedy
