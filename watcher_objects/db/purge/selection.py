# SPDX-License-Identifier: Apache-2.0
"""The selection of soft-deleted rows for a purge."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from watcher_objects import exception
from watcher_objects.db import models, transactions
from watcher_objects.db.sql import filters, state_guard
from watcher_objects.db.sql.filters import Condition
from watcher_objects.db.transactions import retries
from watcher_objects.fields import coercion

#: Names that an error lists, where one was not found.
TOLD = 20
_TABLES = {t.name: t for t in reversed(models.metadata.sorted_tables) if "deleted_at" in t.columns}
#: The names of the tables, in the order in which their rows go.
TYPES = tuple(_TABLES)
_RELATIONS = {
    name: filters.target(key) for t in _TABLES.values() for name, key in filters.relations(t)
}


class Selection:
    """The soft-deleted rows to remove.

    Owned rows are removed with their owner, if they were deleted as long ago.

    :param days: the minimum number of days since the deletion
    :param types: those in the tables of these names; by default in all
    :param states: those in one of these states, of tables that have states
    :param of: those that are, or lead over relations to, the rows that are named: by the name of
        a relation, a list of uuids and names
    :raises InvalidValue: there is no such time, table, state, relation or row, or the rows of a
        table that was named have none
    """

    def __init__(
        self,
        days: float,
        *,
        types: Collection[str] | None = None,
        states: Collection[str] | None = None,
        of: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.before = coercion.ago("days", days, "days")
        self._wanted: dict[str, Sequence[Any]] = {}
        if states is not None:
            self._wanted["state"] = _chosen("states", states, _states())
        given = coercion.to_dict("of", {} if of is None else of)
        for name in _chosen("of", given, _RELATIONS):
            self._wanted[name] = _idents(name, given[name])
        self._asked: dict[sa.Table, Sequence[Condition]] = {}
        for name in TYPES if types is None else _chosen("types", types, TYPES):
            conditions = self._narrowed(_TABLES[name])
            if conditions is not None:
                self._asked[_TABLES[name]] = conditions
            elif types is not None:
                allowed = f"takes only tables whose rows have {', '.join(self._wanted)}"
                raise coercion.refuse("types", name, allowed)
        #: The tables of which rows may go, in the order in which they do.
        self.tables = [table for table in _TABLES.values() if self._may_go(table)]
        #: Those, and the tables whose rows may point at such rows, or at others that do.
        self.leading = [table for table in _TABLES.values() if self._leads(table)]

    def _narrowed(self, table: sa.Table) -> Sequence[Condition] | None:
        """Return the conditions of the filters; None if no row can meet them."""
        conditions = []
        for name, values in self._wanted.items():
            column = _column(table, name)
            if column is None:
                return None
            conditions.append(column.in_(values))
        return conditions

    def _may_go(self, table: sa.Table) -> bool:
        owners = map(filters.target, _owned_by(table))
        return table in self._asked or any(map(self._may_go, owners))

    def _leads(self, table: sa.Table) -> bool:
        targets = (filters.target(key) for _, key in filters.relations(table))
        return self._may_go(table) or any(map(self._leads, targets))

    def rows(self, table: sa.Table) -> Condition:
        """Return the condition on the selected rows of a table."""
        # Of a row without the time nobody knows how old it is.
        old = sa.and_(table.c.deleted != 0, table.c.deleted_at <= self.before)
        if table in self._asked and not self._wanted:
            return old
        ways = [sa.and_(*self._asked[table])] if table in self._asked else []
        ways += [self.target(key).is_not(None) for key in _owned_by(table)]
        return sa.and_(old, sa.or_(sa.false(), *ways))

    def target(self, key: sa.Column[Any]) -> sa.ColumnElement[Any]:
        """Return the id of the row that a foreign key refers to, if it is selected; else NULL."""
        target = filters.target(key)
        return _behind([key], target.c.id, self.rows(target))


def _behind(
    path: Sequence[sa.Column[Any]], column: sa.ColumnElement[Any], *conditions: Condition
) -> sa.ColumnElement[Any]:
    """Return a column of the row that a path of foreign keys leads to.

    It is a subquery for each row: one for all rows, as for IN, costs more in large tables.
    """
    for key in reversed(path):
        target = filters.target(key)
        row = sa.select(column).where(target.c.id == key, *conditions).correlate(key.table)
        column, conditions = row.scalar_subquery(), ()
    return column


def _column(table: sa.Table, name: str) -> sa.ColumnElement[Any] | None:
    """Return the state of a row, or the id of what it is, or leads to; None: it has none."""
    if name == "state":
        return table.c.state if state_guard.rules_of(table) else None
    if _RELATIONS[name] is table:
        return table.c.id
    with suppress(exception.InvalidFilter):
        return _behind(*filters.resolve(table, f"{name}_id"))
    return None


def _owned_by(table: sa.Table) -> list[sa.Column[Any]]:
    return [key for _, key in filters.relations(table) if key.info.get("owned")]


def _states() -> list[str]:
    lives = filter(None, map(state_guard.rules_of, _TABLES.values()))
    return sorted({state for life in lives for state in life.TRANSITIONS})


def _chosen(field: str, given: Any, allowed: Collection[str]) -> list[str]:
    for one in (chosen := _listed(field, given)):
        if one not in allowed:
            raise coercion.refuse(field, one, f"takes {', '.join(allowed)}")
    return chosen


def _listed(field: str, given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise coercion.refuse(field, given, "takes a list")
    return [coercion.to_text(field, one) for one in given]


def _idents(relation: str, given: Any) -> list[int]:
    """Return the ids of the rows with these uuids and names; several may share a name."""
    table, found = _RELATIONS[relation], []
    for one in _listed(relation, given):
        column = "uuid" if uuidutils.is_uuid_like(one) else "name"
        there = _found(table, column, one) if column in table.columns else []
        if not there:
            names = ", ".join(_names(table))
            raise coercion.refuse(relation, one, f"takes a uuid or name that there is: {names}")
        found += there
    return found


@retries.retried
def _found(table: sa.Table, column: str, value: str) -> list[int]:
    with suppress(exception.InvalidFilter):
        same = filters.filter_conditions(table, *filters.parse_filters(table, {column: value}))
        rows = transactions.execute(sa.select(table.c.id).where(*same)).rows
        return [ident for (ident,) in rows]
    # What can't be stored is not there.
    return []


@retries.retried
def _names(table: sa.Table) -> list[str]:
    name = next(table.columns[n] for n in ("name", "uuid") if n in table.columns)
    some = sa.select(name).where(name.is_not(None)).distinct().order_by(name).limit(TOLD)
    return [shown for (shown,) in transactions.execute(some).rows]
