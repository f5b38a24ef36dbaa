# SPDX-License-Identifier: Apache-2.0
"""Keyset pages: rows in a total order, and the place in it where the next page begins.

The order is the sort key, then the id. NULL is the least value, on every database. Rows may
come and go between two pages: each row that stays is seen exactly once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import values


class Order:
    """The order of a list: by ``sort_key``, ties by id, both in the direction ``sort_dir``.

    :param sort_key: a column's name; None is ``id``
    :param sort_dir: ``asc`` or ``desc``; None is ``asc``
    :raises InvalidSortKey: there is no such column, or it holds documents
    :raises InvalidParameter: there is no such direction
    """

    def __init__(self, table: sa.Table, sort_key: str | None, sort_dir: str | None) -> None:
        keys = [column.name for column in table.columns if "json" not in column.info]
        name = "id" if sort_key is None else sort_key
        if name not in keys:
            raise exception.InvalidSortKey(sort_key=sort_key, allowed=", ".join(keys))
        if sort_dir not in (None, "asc", "desc"):
            raise exception.InvalidParameter(parameter="sort_dir", parameter_type="asc or desc")
        self.key: sa.Column[Any] = table.columns[name]
        self.id: sa.Column[Any] = table.columns["id"]
        self.descending = sort_dir == "desc"

    def by(self, dialect: str) -> Sequence[sa.ColumnElement[Any]]:
        """Return the ORDER BY; PostgreSQL must be told that NULL is the least value."""
        key, ident = (c.desc() if self.descending else c.asc() for c in (self.key, self.id))
        if dialect == "postgresql" and self.key.nullable:
            key = key.nulls_last() if self.descending else key.nulls_first()
        return (ident,) if self.key is self.id else (key, ident)

    def after(self, marker: Mapping[str, Any]) -> sa.ColumnElement[bool]:
        """Return the condition on the rows that come after the row ``marker``."""
        later_id = self._beyond(self.id, marker["id"])
        if self.key is self.id:
            return later_id
        value = marker[self.key.name]
        if value is None:
            tied = sa.and_(self.key.is_(None), later_id)
            return tied if self.descending else sa.or_(self.key.is_not(None), tied)
        bound = sa.literal(values.storable(self.key, value), self.key.type)
        later = sa.or_(self._beyond(self.key, bound), sa.and_(self.key == bound, later_id))
        return sa.or_(later, self.key.is_(None)) if self.descending else later

    def _beyond(self, column: sa.Column[Any], value: Any) -> sa.ColumnElement[bool]:
        return column < value if self.descending else column > value


def checked_limit(limit: Any) -> int | None:
    """Return the number of rows asked for, None for all.

    :raises NegativeLimitError: it is below 0
    :raises InvalidParameter: it is no whole number
    """
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool):
        allowed = "a whole number from 0 up"
        raise exception.InvalidParameter(parameter="limit", parameter_type=allowed)
    if limit < 0:
        raise exception.NegativeLimitError(limit=limit)
    return min(limit, values.MAX_INTEGER)
