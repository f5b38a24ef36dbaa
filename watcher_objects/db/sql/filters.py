# SPDX-License-Identifier: Apache-2.0
"""Filters of a list: ``field`` or ``field__operator``, from the tables themselves.

A field is a column, or a column of a related row: where there is a foreign key ``owner_id``,
``owner_name`` is ``name`` of the row that it points at. Relations are followed over any
distance, the nearest first, of those that are equally near the one whose key stands first;
``between_owner_name`` says which way is meant. NULL counts as a value: ``neq`` and ``notin``
find it, and None asks for it.
"""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db.sql import times, values
from watcher_objects.db.statements import SHAPES
from watcher_objects.fields import coercion

Condition = sa.ColumnElement[bool]

#: Values of ``in`` and ``notin``: a statement has room for 65,535 on PostgreSQL.
MAX_CHOICES = 10_000
_NO_LIST = (str, bytes, bytearray, memoryview, Mapping)


class Filter(NamedTuple):
    """A parsed filter, without the values that the field is compared with."""

    field: str
    operator: str
    #: How many values there are, None apart, and whether None is one.
    values: int
    takes_none: bool


class _Predicate(NamedTuple):
    """A condition on a column, and whether NULL meets it."""

    apply: Callable[[sa.ColumnElement[Any]], Condition]
    takes_null: bool


def parse_filters(
    table: sa.Table, filters: Mapping[str, Any] | None
) -> tuple[tuple[Filter, ...], dict[str, Any]]:
    """Return parsed filters, and their values by the names in :func:`filter_conditions`.

    :param filters: field with operator -> value, or a collection of values for in and notin
    :raises InvalidFilter: there is no such field or operator, or the value does not fit
    """
    if filters is None:
        return (), {}
    if not isinstance(filters, Mapping):
        raise exception.InvalidFilter(filter="filters", reason="a mapping is needed")
    parsed, bound = [], {}
    for number, (name, value) in enumerate(filters.items()):
        one, values_of = _parse_filter(table, name, value)
        parsed.append(one)
        for index, bound_value in enumerate(values_of):
            bound[f"filter_{number}_{index}"] = bound_value
    return tuple(parsed), bound


def filter_conditions(
    table: sa.Table, parsed: Sequence[Filter], bound: Mapping[str, Any] | None = None
) -> list[Condition]:
    """Return the conditions on rows; values that are not given are parameters."""
    return [_condition(table, number, one, bound or {}) for number, one in enumerate(parsed)]


def leading_column(table: sa.Table, parsed: Sequence[Filter]) -> sa.Column[Any] | None:
    """Return the column that the only filter compares with one value, if an index has its order.

    The rows that match are then in the order of their ids in an index of the column and the id.
    """
    if len(parsed) != 1 or (parsed[0].operator, parsed[0].values) != ("eq", 1):
        return None
    path, column = resolve(table, parsed[0].field)
    orders = ([c.name for c in index.columns] for index in table.indexes)
    return column if not path and [column.name, "id"] in orders else None


def range_of(column: sa.Column[Any]) -> tuple[sa.BindParameter[Any], Sequence[Condition]]:
    """Return the value of the only filter, and that filter as a range."""
    value = sa.bindparam("filter_0_0", type_=column.type)
    return value, [column >= value, column <= value]


def relations(table: sa.Table) -> Iterator[tuple[str, sa.Column[Any]]]:
    """Yield the name of each relation and its foreign key column."""
    for column in table.columns:
        if column.foreign_keys:
            yield column.name.removesuffix("_id"), column


def target(column: sa.Column[Any]) -> sa.Table:
    """Return the table that a foreign key column refers to."""
    (key,) = column.foreign_keys
    return key.column.table


@functools.cache
def referring(table: sa.Table) -> Sequence[sa.Column[Any]]:
    """Return the foreign keys that refer to a table."""
    keys = (key for other in table.metadata.sorted_tables for _, key in relations(other))
    return tuple(key for key in keys if target(key) is table)


def _parse_filter(table: sa.Table, name: Any, value: Any) -> tuple[Filter, Sequence[Any]]:
    if not isinstance(name, str):
        raise exception.InvalidFilter(filter=name, reason="its name must be text")
    field, operator, column = _parse_name(table, name)
    if column.name == "deleted" and isinstance(value, bool) and operator in ("eq", "neq"):
        # The column holds 0 or the row's id; what is asked is whether it is 0.
        operator, value = ("neq" if value is (operator == "eq") else "eq"), 0
    try:
        given, bound = _given(column, operator, value), []
        for choice in given:
            if choice is not None:
                bound.append(values.storable(column, _normalize_uuid(column, choice)))
    except exception.InvalidValue as error:
        raise exception.InvalidFilter(filter=name, reason=str(error)) from error
    return Filter(field, operator, len(bound), len(bound) < len(given)), bound


@functools.lru_cache(maxsize=SHAPES)
def _parse_name(table: sa.Table, name: str) -> tuple[str, str, sa.Column[Any]]:
    """Return the field and the operator in the name of a filter, and the column."""
    field, _, operator = name.partition("__")
    operator = operator or "eq"
    if operator not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise exception.InvalidOperator(filter=name, operator=operator, valid_operators=known)
    _, column = resolve(table, field)
    if "json" in column.info:
        raise exception.InvalidFilter(filter=name, reason="documents can't be compared")
    return field, operator, column


def _given(column: sa.Column[Any], operator: str, value: Any) -> Collection[Any]:
    """Return the values with which an operator is to compare a column."""
    if operator not in ("in", "notin"):
        if value is None and operator not in ("eq", "neq"):
            raise coercion.refuse(column.name, value, "must have a value, as None has no order")
        return (value,)
    if isinstance(value, _NO_LIST) or not isinstance(value, Collection):
        raise coercion.refuse(column.name, value, "takes a list of values")
    if len(value) > MAX_CHOICES:
        raise coercion.refuse(column.name, value, f"takes at most {MAX_CHOICES} values")
    return value


def _normalize_uuid(column: sa.Column[Any], value: Any) -> Any:
    """Return a uuid in the stored form, and other values unchanged."""
    if column.name == "uuid":
        with suppress(exception.InvalidValue):
            return coercion.to_uuid(column.name, value)
    return value


def _condition(table: sa.Table, number: int, one: Filter, bound: Mapping[str, Any]) -> Condition:
    path, column = resolve(table, one.field, with_internal=True)
    names = (f"filter_{number}_{n}" for n in range(one.values))
    given = {name: {"value": bound[name]} if name in bound else {} for name in names}
    parameters = [sa.bindparam(n, type_=column.type, **value) for n, value in given.items()]
    return _subquery(path, column, _OPERATORS[one.operator](parameters, one.takes_none))


@functools.lru_cache(maxsize=SHAPES)
def resolve(
    table: sa.Table, field: str, with_internal: bool = False
) -> tuple[list[sa.Column[Any]], sa.Column[Any]]:
    """Return the foreign keys on the path to the column of a field, and the column.

    :param with_internal: allow internal columns
    :raises InvalidFilter: there is no such field
    """
    paths: list[tuple[list[str], sa.Table, list[sa.Column[Any]]]] = [([""], table, [])]
    for prefixes, here, path in paths:
        for prefix in prefixes:
            column = here.columns.get(field.removeprefix(prefix))
            if not field.startswith(prefix) or column is None:
                continue
            if with_internal or "internal" not in column.info:
                return path, column
        for name, key in relations(here):
            longer = [f"{prefix}{name}_" for prefix in prefixes]
            paths.append(([*longer, f"{name}_"] if path else longer, target(key), [*path, key]))
    others = [f"{name}_..." for name, _ in relations(table)]
    known = ", ".join((*values.comparable(table), *others))
    reason = f"there is no such field; there are {known}"
    raise exception.InvalidFilter(filter=field, reason=reason)


def _subquery(path: list[sa.Column[Any]], column: sa.Column[Any], test: _Predicate) -> Condition:
    """Return the test of a column as a condition on the row at the path's beginning."""
    condition = test.apply(column)
    for key in reversed(path):
        condition = key.in_(sa.select(target(key).c.id).where(condition))
        if test.takes_null:
            condition = sa.or_(key.is_(None), condition)
    return condition


_Values = Sequence[sa.BindParameter[Any]]


def _compared(compare: Callable[[Any, Any], Condition]) -> Callable[[_Values, bool], _Predicate]:
    return lambda bound, takes_none: _Predicate(lambda tested: compare(tested, bound[0]), False)


def _one_of(bound: _Values, takes_none: bool) -> _Predicate:
    def apply(tested: sa.ColumnElement[Any]) -> Condition:
        exact = times.longest(tested)
        ways: list[Condition] = [exact.in_(bound)] if len(bound) > 1 else []
        ways += [exact == bound[0]] if len(bound) == 1 else []
        ways += [tested.is_(None)] if takes_none else []
        return sa.or_(sa.false(), *ways)

    return _Predicate(apply, takes_none)


def _not(operator: Callable[[_Values, bool], _Predicate]) -> Callable[[_Values, bool], _Predicate]:
    def negated(bound: _Values, takes_none: bool) -> _Predicate:
        test = operator(bound, takes_none)
        if test.takes_null:
            return _Predicate(lambda tested: sa.not_(test.apply(tested)), False)
        return _Predicate(
            lambda tested: sa.or_(tested.is_(None), sa.not_(test.apply(tested))), True
        )

    return negated


_OPERATORS: Mapping[str, Callable[[_Values, bool], _Predicate]] = {
    "eq": _one_of,
    "neq": _not(_one_of),
    "gt": _compared(lambda tested, bound: tested > bound),
    "gte": _compared(lambda tested, bound: tested >= times.shortest(bound)),
    "lt": _compared(lambda tested, bound: tested < times.shortest(bound)),
    "lte": _compared(lambda tested, bound: tested <= bound),
    "in": _one_of,
    "notin": _not(_one_of),
}
