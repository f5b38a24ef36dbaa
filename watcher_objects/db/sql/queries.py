# SPDX-License-Identifier: Apache-2.0
"""The queries that read rows, alone or with the rows of their relations."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import database, dialects
from watcher_objects.db.sql import pagination
from watcher_objects.db.sql.filters import (
    Filter,
    filter_conditions,
    leading_column,
    parse_filters,
    range_of,
    referring,
    relations,
    target,
)
from watcher_objects.db.sql.pagination import Condition
from watcher_objects.db.statements import SHAPES, Cells, Statement, column_index

#: Values of filters from which on a statement is not kept.
FEW_CHOICES = 100

#: Stands for a limit that is given with each call.
ANY_LIMIT = "any"
#: Rows that are looked up by their ids at once.
MANY = 4096

Row = dict[str, Any]
Key = Mapping[str, Any]


class RowSet(NamedTuple):
    """Rows, and the related rows of each relation that is loaded with them, by their ids."""

    rows: Sequence[Cells]
    related: Mapping[str, Mapping[int, Cells]] = {}


@functools.cache
def column(table: sa.Table, name: str) -> sa.Column[Any]:
    """Return a column by its name.

    :raises UnknownField: there is none
    """
    known = table.columns.get(name)
    if known is None or "internal" in known.info:
        names = (c.name for c in table.columns if "internal" not in c.info)
        hint = f"; there are {', '.join(names)}"
        raise exception.UnknownField(objname=table.name, field=name, hint=hint)
    return known


def identity_conditions(table: sa.Table, key: Key, show_deleted: bool) -> Sequence[Condition]:
    """Return the conditions on the row with a key."""
    conditions: list[Condition] = [column(table, name) == value for name, value in key.items()]
    if show_deleted or "deleted" not in table.columns:
        return conditions
    return [*conditions, table.c.deleted == sa.literal_column("0")]


def identity(table: sa.Table) -> Sequence[sa.Column[Any]]:
    """Return the columns that identify a new row: its uuid, or else its unique key."""
    if "uuid" in table.columns:
        return (table.c.uuid,)
    (key,) = (k for k in table.constraints if isinstance(k, sa.UniqueConstraint))
    return tuple(key.columns)


def referenced_by_live_row(table: sa.Table) -> Condition:
    """Return the condition on rows that are not deleted, or that such rows refer to."""
    ways = (
        sa.exists().where(key == table.c.id, referenced_by_live_row(key.table))
        for key in referring(table)
    )
    return sa.or_(table.c.deleted == 0, *ways)


def first(
    table: sa.Table,
    key: Key,
    show_deleted: bool,
    eager: Sequence[str] = (),
    or_pointed_at: bool = False,
) -> Cells | None:
    """Return the row with a key; of several with one name, the one that is not deleted.

    :param eager: relations whose rows' cells are to follow; see :func:`split_joined_row`
    :param or_pointed_at: if it is not deleted, or what is not leads to it
    :raises NotUnique: several are not deleted
    """
    shape = (table, tuple(key), show_deleted, tuple(eager), or_pointed_at)
    statement = lookup(database.current().dialect, *shape)
    rows = transactions.run(statement, key).rows
    if len(rows) > 1 and rows[1][column_index(table, "deleted")] == 0:
        raise exception.NotUnique(name=table.name)
    return rows[0] if rows else None


@functools.lru_cache(maxsize=SHAPES)
def lookup(
    dialect: sa.Dialect,
    table: sa.Table,
    names: Sequence[str],
    show_deleted: bool,
    eager: Sequence[str] = (),
    or_pointed_at: bool = False,
) -> Statement:
    """Return the statement for the rows that a key of these columns means, as above."""
    key = {name: sa.bindparam(name, type_=column(table, name).type) for name in names}
    conditions = [*identity_conditions(table, key, show_deleted)]
    if or_pointed_at:
        conditions.append(referenced_by_live_row(table))
    select = _select(table, eager).where(*conditions)
    if not {"id", "uuid"} & key.keys():
        select = select.order_by(table.c.deleted).limit(2)
    return Statement(select, dialect)


class Shape(NamedTuple):
    """What the statement of a list is compiled from."""

    table: sa.Table
    filters: Sequence[Filter]
    order: pagination.Order
    position: str
    show_deleted: bool


class ListQuery:
    """A list of the rows of a table: its filters, its order, and where it begins.

    :param filters: see :mod:`watcher_objects.db.sql.filters`
    :param marker: the row to begin after: its id and the value of its sort key
    :raises InvalidFilter, InvalidSortKey, InvalidParameter: one of them cannot be used
    """

    def __init__(
        self,
        table: sa.Table,
        filters: Mapping[str, Any] | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
        marker: Mapping[str, Any] | None = None,
        show_deleted: bool = False,
    ) -> None:
        order = pagination.order_by(table, sort_key, sort_dir)
        parsed, bound = parse_filters(table, filters)
        position, of_position = order.position(marker)
        self.shape = Shape(table, parsed, order, position, show_deleted)
        #: The values that the statement names.
        self.values = {**bound, **of_position}


def page(query: ListQuery, limit: int | None, eager: Sequence[str]) -> RowSet:
    """Return the first rows of a list.

    :param eager: relations whose rows are loaded too, with one statement for each
    """
    if limit == 0:
        return RowSet(())
    shape = query.shape
    # With that many choices in filters a statement is not worth keeping.
    build = _page.__wrapped__ if len(query.values) >= FEW_CHOICES else _page
    source = database.current()
    # PostgreSQL plans a statement anew for each call if it does not know how many rows it is for;
    # with filters it should, since a rare state needs another plan than a common one.
    in_shape = limit if source.backend.plans_by_text and not shape.filters else limit and ANY_LIMIT
    statement = build(source.dialect, shape, in_shape)
    rows = transactions.run(statement, {**query.values, "limit": limit}).rows
    return _load_relations(shape.table, eager, rows) if eager else RowSet(rows)


@functools.lru_cache(maxsize=SHAPES)
def _page(dialect: sa.Dialect, shape: Shape, most: int | str | None) -> Statement:
    table, order = shape.table, shape.order
    limit: Any = most and sa.literal_column(str(most), sa.Integer())
    if most == ANY_LIMIT:
        limit = sa.bindparam("limit", type_=sa.Integer())
    backend = dialects.of(dialect)
    if backend.plans_by_text and most and order.is_by_id:
        column = leading_column(table, shape.filters)
        if column is not None:
            return Statement(_in_range(shape, column, limit), dialect)
    conditions = [*filter_conditions(table, shape.filters)]
    conditions += identity_conditions(table, {}, shape.show_deleted)
    ranges = order.ranges(shape.position, backend)
    rows: sa.FromClause = table
    # MariaDB reads one range after the other if they are joined in one condition.
    if len(ranges) > 1 and most and not backend.reads_ranges_in_order:
        rows, conditions = _union(shape, conditions, ranges, limit), []
    elif ranges:
        conditions = [*conditions, sa.or_(*ranges)]
    select = sa.select(rows).where(*conditions)
    return Statement(select.order_by(*order.by_any(rows, backend)).limit(limit), dialect)


def _in_range(shape: Shape, column: sa.Column[Any], limit: Any) -> sa.Select[Any]:
    """Return a page by id of the rows with one value of a column, for PostgreSQL.

    It takes the values to be spread evenly over the ids. Where the rows that match are the
    newest, it reads all others first, by the primary key. By the column and the id no index has
    the order but the one that leads straight to the rows.
    """
    value, conditions = range_of(column)
    if shape.position == "id":
        conditions = [*conditions, shape.order.after_id(column, value)]
    return (
        sa.select(shape.table)
        .where(*conditions, *identity_conditions(shape.table, {}, shape.show_deleted))
        .order_by(*shape.order.directed(column, shape.table.c.id))
        .limit(limit)
    )


def _joined(table: sa.Table, eager: Sequence[str]) -> dict[str, sa.Column[Any]]:
    return {name: key for name, key in relations(table) if name in eager}


def _select(table: sa.Table, eager: Sequence[str]) -> sa.Select[Any]:
    source: sa.FromClause = table
    columns = [*table.columns]
    for key in _joined(table, eager).values():
        other = target(key).alias()
        source = source.outerjoin(other, key == other.c.id)
        columns += other.columns
    return sa.select(*columns).select_from(source)


def split_joined_row(table: sa.Table, eager: Sequence[str], row: Cells) -> RowSet:
    """Return a row and those that follow it."""
    related = {}
    for name, begin, end, ident in _offsets(table, tuple(eager)):
        related[name] = {} if row[ident] is None else {row[ident]: row[begin:end]}
    return RowSet([row[: len(table.columns)]], related)


@functools.lru_cache(maxsize=SHAPES)
def _offsets(table: sa.Table, eager: Sequence[str]) -> Sequence[tuple[str, int, int, int]]:
    """Return the name of each relation, and the indexes of its row's first, last and id cell."""
    found = []
    begin = len(table.columns)
    for name, key in _joined(table, eager).items():
        other = target(key)
        end = begin + len(other.columns)
        found.append((name, begin, end, begin + column_index(other, "id")))
        begin = end
    return found


def _load_relations(table: sa.Table, eager: Sequence[str], rows: Sequence[Cells]) -> RowSet:
    """Return rows with their related rows, each of which is read once."""
    related: dict[str, dict[int, Cells]] = {}
    for name, key in _joined(table, eager).items():
        where, other = column_index(table, key.name), target(key)
        wanted = sorted({row[where] for row in rows} - {None})
        found = related[name] = {}
        for begin in range(0, len(wanted), MANY):
            found |= _by_id(other, wanted[begin : begin + MANY])
    return RowSet(rows, related)


def _by_id(table: sa.Table, idents: Sequence[int]) -> dict[int, Cells]:
    # Few numbers of choices are few statements; an id that is given twice is found once.
    number = 1 << (len(idents) - 1).bit_length()
    padded = [*idents, *[idents[-1]] * (number - len(idents))]
    values = {f"id_{number}": ident for number, ident in enumerate(padded)}
    rows = transactions.run(_choice(database.current().dialect, table, number), values).rows
    ident = column_index(table, "id")
    return {row[ident]: row for row in rows}


@functools.lru_cache(maxsize=SHAPES)
def _choice(dialect: sa.Dialect, table: sa.Table, number: int) -> Statement:
    names = (sa.bindparam(f"id_{one}", type_=table.c.id.type) for one in range(number))
    return Statement(sa.select(table).where(table.c.id.in_([*names])), dialect)


def _union(
    shape: Shape, conditions: Sequence[Condition], ranges: Sequence[Condition], limit: Any
) -> sa.FromClause:
    """Return the first rows of each range, each read from the index in its order."""
    some = [
        sa.select(shape.table)
        .where(*conditions, rows)
        .order_by(*shape.order.by(shape.table))
        .limit(limit)
        for rows in ranges
    ]
    # SQLite takes ORDER BY and LIMIT of a part in brackets only.
    return sa.union_all(*(sa.select(part.subquery()) for part in some)).subquery()
