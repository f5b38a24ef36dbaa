# SPDX-License-Identifier: Apache-2.0
"""Rows as they are read: those of a table, and with each those that its relations lead to."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_versionedobjects import base as ovo

from watcher_objects import exception
from watcher_objects.db import engine, filters, paging, transactions

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


def meant(table: sa.Table, key: Key, show_deleted: bool) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions on the row that a key means, deleted ones among them or not."""
    conditions = [column(table, name) == value for name, value in key.items()]
    return conditions if show_deleted else [*conditions, table.c.deleted == 0]


def class_of(table: sa.Table) -> Any:
    """Return the registered class whose objects are the rows of a table; None: there is none."""
    for versions in ovo.VersionedObjectRegistry.obj_classes().values():
        if getattr(versions[0], "table", None) is table:
            return versions[0]
    return None


class Query:
    """A SELECT of a table with some of its relations joined."""

    def __init__(self, table: sa.Table, eager: Sequence[str]) -> None:
        keys = dict(filters.relations(table))
        self.joined = {name: filters.target(keys[name]).alias() for name in eager}
        source: Any = table
        for name, other in self.joined.items():
            source = source.outerjoin(other, keys[name] == other.c.id)
        self.table = table
        self.parts: Sequence[sa.FromClause] = (table, *self.joined.values())
        columns = [c for part in self.parts for c in part.columns]
        self.select = sa.select(*columns).select_from(source)

    def first(self, conditions: Sequence[sa.ColumnElement[bool]]) -> Record | None:
        """Return a row; of several with one name the one that is not deleted.

        :raises NotUnique: several are not
        """
        statement = self.select.where(*conditions).order_by(self.table.c.deleted)
        records = [self._record(row) for row in transactions.execute(statement.limit(2)).rows]
        if len(records) > 1 and records[1].row["deleted"] == 0:
            raise exception.NotUnique(name=self.table.name)
        return records[0] if records else None

    def all(
        self,
        conditions: Sequence[sa.ColumnElement[bool]],
        order: paging.Order,
        limit: int | None,
    ) -> Sequence[Record]:
        """Return the rows in their order."""
        by = order.by(engine.get_engine().dialect.name)
        statement = self.select.where(*conditions).order_by(*by).limit(limit)
        return [self._record(row) for row in transactions.execute(statement).rows]

    def _record(self, row: sa.Row[Any]) -> Record:
        cells = iter(row)
        found = [{c.name: next(cells) for c in part.columns} for part in self.parts]
        related = (r if r["id"] is not None else None for r in found[1:])
        return Record(found[0], dict(zip(self.joined, related, strict=True)))
