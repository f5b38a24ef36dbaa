# SPDX-License-Identifier: Apache-2.0
"""Rows as they are read: those of a table, and with each those that its relations lead to."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_versionedobjects import base as ovo

from watcher_objects import exception
from watcher_objects.db import engine, filters, paging, transactions
from watcher_objects.db.paging import Condition

Row = dict[str, Any]
Key = Mapping[str, Any]


class Record(NamedTuple):
    """A row, and the rows that its relations lead to (None where there is none)."""

    row: Row
    related: Mapping[str, Row | None]


def column(table: sa.Table, name: str) -> sa.Column[Any]:
    """Return a column by its name.

    :raises UnknownField: there is none
    """
    if name not in table.columns:
        hint = f"; there are {', '.join(table.columns.keys())}"
        raise exception.UnknownField(objname=table.name, field=name, hint=hint)
    return table.columns[name]


def meant(table: sa.Table, key: Key, show_deleted: bool) -> Sequence[Condition]:
    """Return the conditions on the row that a key means, deleted ones among them or not."""
    conditions = [column(table, name) == value for name, value in key.items()]
    return conditions if show_deleted else [*conditions, table.c.deleted == 0]


def pointed_at(table: sa.Table) -> Condition:
    """Return the condition on rows that are not deleted, and those that such rows lead to."""
    keys = (key for other in table.metadata.sorted_tables for _, key in filters.relations(other))
    ways = (
        sa.exists().where(key == table.c.id, pointed_at(key.table))
        for key in keys
        if filters.target(key) is table
    )
    return sa.or_(table.c.deleted == 0, *ways)


def class_of(table: sa.Table) -> Any:
    """Return the registered class whose objects are the rows of a table; None: there is none."""
    for versions in ovo.VersionedObjectRegistry.obj_classes().values():
        if getattr(versions[0], "table", None) is table:
            return versions[0]
    return None


class Query:
    """A SELECT of a table with some of its relations joined."""

    def __init__(self, table: sa.Table, eager: Sequence[str]) -> None:
        self.table = table
        self.keys = {name: key for name, key in filters.relations(table) if name in eager}
        self.joined = {name: filters.target(key).alias() for name, key in self.keys.items()}

    def first(self, conditions: Sequence[Condition]) -> Record | None:
        """Return a row; of several with one name the one that is not deleted.

        :raises NotUnique: several are not
        """
        statement = self._select(self.table).where(*conditions).order_by(self.table.c.deleted)
        records = self._records(statement.limit(2))
        if len(records) > 1 and records[1].row["deleted"] == 0:
            raise exception.NotUnique(name=self.table.name)
        return records[0] if records else None

    def all(
        self,
        conditions: Sequence[Condition],
        order: paging.Order,
        limit: int | None,
        marker: Key | None,
    ) -> Sequence[Record]:
        """Return the rows in their order, those that come after a marker."""
        dialect = engine.get_engine().dialect.name
        ranges = order.ranges(marker, dialect)
        rows: sa.FromClause = self.table
        # MariaDB reads one range after the other where they are told in one condition.
        if len(ranges) > 1 and limit is not None and dialect != "mysql":
            rows, conditions = _page(self.table, conditions, ranges, order, limit), ()
        elif ranges:
            conditions = [*conditions, sa.or_(*ranges)]
        statement = self._select(rows).where(*conditions).order_by(*order.by_any(rows, dialect))
        return self._records(statement.limit(limit))

    def _select(self, rows: sa.FromClause) -> sa.Select[Any]:
        source = rows
        for name, other in self.joined.items():
            source = source.outerjoin(other, rows.c[self.keys[name].name] == other.c.id)
        columns = [c for part in (rows, *self.joined.values()) for c in part.columns]
        return sa.select(*columns).select_from(source)

    def _records(self, statement: sa.Select[Any]) -> Sequence[Record]:
        parts = (self.table, *self.joined.values())
        return [self._record(row, parts) for row in transactions.execute(statement).rows]

    def _record(self, row: sa.Row[Any], parts: Sequence[sa.FromClause]) -> Record:
        cells = iter(row)
        found = [{c.name: next(cells) for c in part.columns} for part in parts]
        related = (r if r["id"] is not None else None for r in found[1:])
        return Record(found[0], dict(zip(self.joined, related, strict=True)))


def _page(
    table: sa.Table,
    conditions: Sequence[Condition],
    ranges: Sequence[Condition],
    order: paging.Order,
    limit: int,
) -> sa.FromClause:
    """Return the first rows of each range, each read from the index in its order."""
    some = [
        sa.select(table).where(*conditions, rows).order_by(*order.by(table)).limit(limit)
        for rows in ranges
    ]
    # SQLite takes ORDER BY and LIMIT of a part in brackets only.
    return sa.union_all(*(sa.select(part.subquery()) for part in some)).subquery()
