# SPDX-License-Identifier: Apache-2.0
"""The expectations of a compare-and-swap: values that a row must hold for the UPDATE.

They are conditions in the UPDATE's WHERE clause. If it matches no row, the row is read, and
compared here, so that an unmet expectation differs from a row that is gone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db.sql import values
from watcher_objects.db.sql.filters import Filter
from watcher_objects.db.sql.queries import Row, column
from watcher_objects.db.statements import Cells, row_to_dict
from watcher_objects.fields import coercion

_SEVERAL = (tuple, list, set, frozenset)
_ALLOWED = "must be a mapping of at least one field to what the row must hold"


class Not:
    """Any value except this one, or these: ``Not("a")``, ``Not(("a", None))``.

    NULL counts as a value: ``Not("a")`` includes it, and ``Not(None)`` is any value at all.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Not({self.value!r})"


class Expected(NamedTuple):
    """Expectations, apart from their values, and the values as they are bound."""

    filters: tuple[Filter, ...] = ()
    bound: Mapping[str, Any] = {}


NOTHING = Expected()


def parse(
    table: sa.Table,
    expected: Mapping[str, Any],
    coerce: Callable[[str, Any], Any] = lambda name, value: value,
) -> Expected:
    """Return expectations of a column to a value, a tuple of values, or :class:`Not`.

    :param coerce: converts a value of a column first
    :raises UnknownField, InvalidValue, InvalidState: one of them can't be used
    """
    if not isinstance(expected, Mapping) or not expected:
        raise coercion.refuse("expected", expected, _ALLOWED)
    parsed = []
    for name, value in expected.items():
        known = _comparable(table, name, value)
        operator, given = ("notin", value.value) if isinstance(value, Not) else ("in", value)
        several = tuple(given) if isinstance(given, _SEVERAL) else (given,)
        if not several:
            raise coercion.refuse(name, given, "takes a value, or several, but not none")
        bound = [None if one is None else _bound(known, coerce(name, one)) for one in several]
        parsed.append((name, operator, bound))
    return _numbered(parsed)


def unchanged(table: sa.Table, base: Mapping[str, Any]) -> Expected:
    """Return the expectation that columns hold what was read.

    :param base: values by columns; those of documents are texts
    """
    parsed = []
    for name, value in base.items():
        known = column(table, name)
        is_exact = value is None or "json" in known.info
        parsed.append((name, "in", [value if is_exact else values.storable(known, value)]))
    return _numbered(parsed)


def numbered(moves: int) -> Expected:
    """Return the expectation that a row's last transition has this number."""
    return _numbered([("moves", "in", [moves])])


def check(table: sa.Table, cells: Cells, expected: Expected) -> None:
    """Check that a row meets the expectations.

    :raises UnexpectedValues: it does not
    """
    row = row_to_dict(table, cells) if expected.filters else {}
    for number, one in enumerate(expected.filters):
        held = _held(table.columns[one.field], row[one.field])
        choices: list[Any] = [expected.bound[name] for name in _names(number, one.values)]
        choices += [None] if one.takes_none else []
        if (held in choices) is (one.operator == "notin"):
            raise exception.UnexpectedValues(
                name=table.name, id=row["id"], field=one.field, cells=cells
            )


def _comparable(table: sa.Table, name: str, value: Any) -> sa.Column[Any]:
    known = column(table, name)
    if "json" in known.info:
        raise coercion.refuse(name, value, "is a JSON document, which merge() compares")
    return known


def _bound(known: sa.Column[Any], value: Any) -> Any:
    if isinstance(value, Not):
        raise coercion.refuse(known.name, value, "takes Not around all values, not inside")
    states = known.name == "state" and known.table.info["state_machine"]
    if states and value not in states.TRANSITIONS:
        raise exception.InvalidState(state=value, allowed=", ".join(states.TRANSITIONS))
    return values.storable(known, value)


def _numbered(conditions: Sequence[tuple[str, str, Sequence[Any]]]) -> Expected:
    """Return expectations whose values have the names that filters give them."""
    filters, bound = [], Row()
    for number, (name, operator, given) in enumerate(conditions):
        some = [value for value in given if value is not None]
        filters.append(Filter(name, operator, len(some), len(some) < len(given)))
        bound.update(zip(_names(number, len(some)), some, strict=True))
    return Expected(tuple(filters), bound)


def _names(number: int, count: int) -> Sequence[str]:
    return [f"filter_{number}_{index}" for index in range(count)]


def _held(known: sa.Column[Any], cell: Any) -> Any:
    """Return the value of a cell in the form in which values are bound."""
    if cell is not None and "json" not in known.info:
        # A cell that no field can hold is equal to no value.
        with suppress(exception.InvalidValue):
            return values.storable(known, cell)
    return cell
