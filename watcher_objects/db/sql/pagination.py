# SPDX-License-Identifier: Apache-2.0
"""Keyset pages: rows in a total order, and the position in it where the next page begins.

The order is the sort key, then the id. NULL is the least value, on every database. Rows may
come and go between two pages: each row that stays is seen exactly once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db.backend.dialects.base import Backend
from watcher_objects.db.sql import times, values

Condition = sa.ColumnElement[bool]


class Order(NamedTuple):
    """The order of a list: by a column, ties by id, both in one direction."""

    table: sa.Table
    name: str
    descending: bool

    @property
    def key(self) -> sa.Column[Any]:
        """The sort key's column."""
        return self.table.columns[self.name]

    @property
    def id(self) -> sa.Column[Any]:
        """The id's column."""
        return self.table.columns["id"]

    def by(self, rows: sa.FromClause) -> Sequence[sa.ColumnElement[Any]]:
        """Return the ORDER BY of rows all of which have a key, or none of which has one."""
        names = dict.fromkeys((self.key.name, "id"))
        return self.directed(*(rows.columns[name] for name in names))

    def directed(self, *columns: sa.ColumnElement[Any]) -> Sequence[sa.ColumnElement[Any]]:
        """Return an ORDER BY of columns, all in the direction of this order."""
        return [c.desc() if self.descending else c.asc() for c in columns]

    @property
    def is_by_id(self) -> bool:
        """Whether the sort key is the id."""
        return self.name == "id"

    def after_id(self, column: sa.Column[Any], value: Any) -> Condition:
        """Return the condition on rows after a marker, among those with one value of a column."""
        marker = sa.bindparam("marker_id", type_=self.id.type)
        return self._beyond(sa.tuple_(column, self.id), sa.tuple_(value, marker))

    def by_any(self, rows: sa.FromClause, backend: Backend) -> Sequence[sa.ColumnElement[Any]]:
        """Return the ORDER BY of any rows, in which NULL is least on every database."""
        key, *ident = self.by(rows)
        if backend.null_is_greatest and self.key.nullable:
            key = key.nulls_last() if self.descending else key.nulls_first()
        return (key, *ident)

    def position(self, marker: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
        """Return the kind of a marker's position, and its values by the names in :meth:`ranges`.

        :param marker: the row after which the list begins
        """
        if marker is None:
            return "first", {}
        values_of = {"marker_id": marker["id"]}
        if self.is_by_id:
            return "id", values_of
        if marker[self.key.name] is None:
            return "keyless", values_of
        return "key", {**values_of, "marker": values.storable(self.key, marker[self.key.name])}

    def ranges(self, position: str, backend: Backend) -> Sequence[Condition]:
        """Return the conditions of the ranges of rows that come, one after the other, in a list.

        Each is a range of an index of the key and the id: rows of the marker's key, rows
        beyond it, rows without a key. Where there is none, an index has all in their order.
        """
        if position == "first":
            return self._from_the_first(backend)
        later_id = self._beyond(self.id, sa.bindparam("marker_id", type_=self.id.type))
        if position == "id":
            return [later_id]
        if position == "keyless":
            tied = sa.and_(self.key.is_(None), later_id)
            return [tied] if self.descending else [tied, self.key.is_not(None)]
        bound: sa.ColumnElement[Any] = sa.bindparam("marker", type_=self.key.type)
        if backend.times_are_text and times.is_time(self.key):
            bound = self._as_stored(bound)
        ranges = [sa.and_(self.key == bound, later_id), self._beyond(self.key, bound)]
        return [*ranges, self.key.is_(None)] if self.descending else ranges

    def _as_stored(self, bound: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Return the marker's time as its row spells it, unless the row has another by now."""
        row = self.id.table.alias()
        key = row.columns[self.key.name]
        is_marker = row.columns.id == sa.bindparam("marker_id", type_=self.id.type)
        stored = sa.select(key).where(is_marker, times.longest(key) == bound).scalar_subquery()
        return sa.func.coalesce(stored, bound)

    def _from_the_first(self, backend: Backend) -> Sequence[Condition]:
        if not backend.null_is_greatest or not self.key.nullable:
            return []
        # The indexes have NULL at the other end.
        ranges = [self.key.is_(None), self.key.is_not(None)]
        return ranges[::-1] if self.descending else ranges

    def _beyond(self, column: sa.ColumnElement[Any], value: Any) -> Condition:
        return column < value if self.descending else column > value


def order_by(table: sa.Table, sort_key: str | None, sort_dir: str | None) -> Order:
    """Return the order of a list.

    :param sort_key: a column's name; None is ``id``
    :param sort_dir: ``asc`` or ``desc``; None is ``asc``
    :raises InvalidSortKey: there is no such column, or it holds documents
    :raises InvalidParameter: there is no such direction
    """
    keys = values.comparable(table)
    name = "id" if sort_key is None else sort_key
    if name not in keys:
        raise exception.InvalidSortKey(sort_key=sort_key, allowed=", ".join(keys))
    if sort_dir not in (None, "asc", "desc"):
        raise exception.InvalidParameter(parameter="sort_dir", parameter_type="asc or desc")
    return Order(table, name, sort_dir == "desc")


def checked_limit(limit: Any) -> int | None:
    """Return the limit after checking it; None for all rows.

    :raises NegativeLimitError: it is below 0
    :raises InvalidParameter: it is not a whole number
    """
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool):
        allowed = "a whole number from 0 up"
        raise exception.InvalidParameter(parameter="limit", parameter_type=allowed)
    if limit < 0:
        raise exception.NegativeLimitError(limit=limit)
    return min(limit, values.MAX_INTEGER)
