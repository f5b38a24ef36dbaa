# SPDX-License-Identifier: Apache-2.0
"""Rows as they are read: those of a table, and with each those that its relations lead to."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_versionedobjects import base as ovo

from watcher_objects import exception
from watcher_objects.db import engine, filters, paging, transactions
from watcher_objects.db.paging import Condition
from watcher_objects.db.statements import SHAPES, Cells, Statement, place

#: Values of filters from which on a statement is not kept.
FEW_CHOICES = 100

#: Stands for a limit that is given with each call.
ANY_LIMIT = "any"
#: Rows of a relation that are looked up at once.
MANY = 4096

Row = dict[str, Any]
Key = Mapping[str, Any]


class Found(NamedTuple):
    """Rows, and of each relation that was asked for those that it leads to, by their ids."""

    rows: Sequence[Cells]
    related: Mapping[str, Mapping[int, Cells]] = {}


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
    conditions: list[Condition] = [column(table, name) == value for name, value in key.items()]
    return conditions if show_deleted else [*conditions, table.c.deleted == sa.literal_column("0")]


def identity(table: sa.Table) -> Sequence[sa.Column[Any]]:
    """Return what tells a new row from all others: its uuid, or else its unique key."""
    if "uuid" in table.columns:
        return (table.c.uuid,)
    (key,) = (k for k in table.constraints if isinstance(k, sa.UniqueConstraint))
    return tuple(key.columns)


def pointed_at(table: sa.Table) -> Condition:
    """Return the condition on rows that are not deleted, and those that such rows lead to."""
    ways = (
        sa.exists().where(key == table.c.id, pointed_at(key.table))
        for key in filters.referring(table)
    )
    return sa.or_(table.c.deleted == 0, *ways)


def class_of(table: sa.Table) -> Any:
    """Return the registered class whose objects are the rows of a table; None: there is none."""
    for versions in ovo.VersionedObjectRegistry.obj_classes().values():
        if getattr(versions[0], "table", None) is table:
            return versions[0]
    return None


def first(
    table: sa.Table,
    key: Key,
    show_deleted: bool,
    eager: Sequence[str] = (),
    or_pointed_at: bool = False,
) -> Cells | None:
    """Return the row that a key means; of several with one name the one that is not deleted.

    :param eager: relations whose rows' cells are to follow; see :func:`parted`
    :param or_pointed_at: if it is not deleted, or what is not leads to it
    :raises NotUnique: several are not deleted
    """
    shape = (table, tuple(key), show_deleted, tuple(eager), or_pointed_at)
    statement = lookup(engine.get_dialect(), *shape)
    rows = transactions.run(statement, key).rows
    if len(rows) > 1 and rows[1][place(table, "deleted")] == 0:
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
    conditions = [*meant(table, key, show_deleted)]
    if or_pointed_at:
        conditions.append(pointed_at(table))
    select = _select(table, eager).where(*conditions)
    if not {"id", "uuid"} & key.keys():
        select = select.order_by(table.c.deleted).limit(2)
    return Statement(select, dialect)


def page(
    table: sa.Table,
    *,
    show_deleted: bool,
    eager: Sequence[str],
    wanted: Mapping[str, Any] | None,
    order: paging.Order,
    limit: int | None,
    marker: Mapping[str, Any] | None,
) -> Found:
    """Return the rows that meet the filters in their order, those that come after a marker.

    :param eager: relations whose rows are to be found too, with one statement for each
    """
    asked, bound = filters.judged(table, wanted)
    if limit == 0:
        return Found(())
    behind, values_of = order.place(marker)
    # A long list of choices is not to be kept in mind.
    build = _page if sum(one.values for one in asked) < FEW_CHOICES else _page.__wrapped__
    dialect = engine.get_dialect()
    # PostgreSQL plans a statement anew for each call if it does not know how many rows it is for;
    # with filters it should, since a rare state needs another plan than a common one.
    told = limit if dialect.name == "postgresql" and not asked else limit and ANY_LIMIT
    statement = build(dialect, table, show_deleted, asked, order, behind, told)
    rows = transactions.run(statement, {**bound, **values_of, "limit": limit}).rows
    return _led_to(table, eager, rows) if eager else Found(rows)


@functools.lru_cache(maxsize=SHAPES)
def _page(
    dialect: sa.Dialect,
    table: sa.Table,
    show_deleted: bool,
    asked: Sequence[filters.Filter],
    order: paging.Order,
    behind: str,
    most: int | str | None,
) -> Statement:
    conditions = [*filters.where(table, asked), *meant(table, {}, show_deleted)]
    ranges = order.ranges(behind, dialect.name)
    limit: Any = most and sa.literal_column(str(most), sa.Integer())
    if most == ANY_LIMIT:
        limit = sa.bindparam("limit", type_=sa.Integer())
    rows: sa.FromClause = table
    # MariaDB reads one range after the other where they are told in one condition.
    if len(ranges) > 1 and most and dialect.name != "mysql":
        rows, conditions = _union(table, conditions, ranges, order, limit), []
    elif ranges:
        conditions = [*conditions, sa.or_(*ranges)]
    select = sa.select(rows).where(*conditions)
    return Statement(select.order_by(*order.by_any(rows, dialect.name)).limit(limit), dialect)


def _joined(table: sa.Table, eager: Sequence[str]) -> dict[str, sa.Column[Any]]:
    return {name: key for name, key in filters.relations(table) if name in eager}


def _select(table: sa.Table, eager: Sequence[str]) -> sa.Select[Any]:
    source: sa.FromClause = table
    columns = [*table.columns]
    for key in _joined(table, eager).values():
        other = filters.target(key).alias()
        source = source.outerjoin(other, key == other.c.id)
        columns += other.columns
    return sa.select(*columns).select_from(source)


def parted(table: sa.Table, eager: Sequence[str], row: Cells) -> Found:
    """Return a row and those that follow it."""
    related = {}
    for name, begin, end, ident in _parts(table, tuple(eager)):
        related[name] = {} if row[ident] is None else {row[ident]: row[begin:end]}
    return Found([row[: len(table.columns)]], related)


@functools.lru_cache(maxsize=SHAPES)
def _parts(table: sa.Table, eager: Sequence[str]) -> Sequence[tuple[str, int, int, int]]:
    """Return for each relation where its row's cells begin and end, and where its id is."""
    found = []
    begin = len(table.columns)
    for name, key in _joined(table, eager).items():
        other = filters.target(key)
        end = begin + len(other.columns)
        found.append((name, begin, end, begin + place(other, "id")))
        begin = end
    return found


def _led_to(table: sa.Table, eager: Sequence[str], rows: Sequence[Cells]) -> Found:
    """Return the rows with those that relations lead to, each of which is read once."""
    related: dict[str, dict[int, Cells]] = {}
    for name, key in _joined(table, eager).items():
        where, other = place(table, key.name), filters.target(key)
        wanted = sorted({row[where] for row in rows} - {None})
        found = related[name] = {}
        for begin in range(0, len(wanted), MANY):
            found |= _by_id(other, wanted[begin : begin + MANY])
    return Found(rows, related)


def _by_id(table: sa.Table, idents: Sequence[int]) -> dict[int, Cells]:
    # Few numbers of choices are few statements; what is asked for twice comes once.
    number = 1 << (len(idents) - 1).bit_length()
    asked = [*idents, *[idents[-1]] * (number - len(idents))]
    values = {f"id_{place}": ident for place, ident in enumerate(asked)}
    rows = transactions.run(_choice(engine.get_dialect(), table, number), values).rows
    ident = place(table, "id")
    return {row[ident]: row for row in rows}


@functools.lru_cache(maxsize=SHAPES)
def _choice(dialect: sa.Dialect, table: sa.Table, number: int) -> Statement:
    names = (sa.bindparam(f"id_{place}", type_=table.c.id.type) for place in range(number))
    return Statement(sa.select(table).where(table.c.id.in_([*names])), dialect)


def _union(
    table: sa.Table,
    conditions: Sequence[Condition],
    ranges: Sequence[Condition],
    order: paging.Order,
    limit: Any,
) -> sa.FromClause:
    """Return the first rows of each range, each read from the index in its order."""
    some = [
        sa.select(table).where(*conditions, rows).order_by(*order.by(table)).limit(limit)
        for rows in ranges
    ]
    # SQLite takes ORDER BY and LIMIT of a part in brackets only.
    return sa.union_all(*(sa.select(part.subquery()) for part in some)).subquery()
