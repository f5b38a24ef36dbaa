# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a database, and what to do about it."""

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from watcher_objects import exception
from watcher_objects.db import models, transactions
from watcher_objects.db.queries import Row, class_of
from watcher_objects.db.statements import cells

#: Rows that are read at once, and rows that are named in one finding.
BATCH = 1000
SHOWN = 5


class Need(enum.IntEnum):
    """What a finding needs; the greatest is the exit code of ``db check``."""

    NOTHING = 0
    UPGRADE = 1
    PERSON = 2


class Finding(NamedTuple):
    """One thing that is not as it should be, and what to do."""

    need: Need
    what: str
    advice: str


def of_rows() -> Iterator[Finding]:
    """Yield what is wrong with the rows of the configured database, all of which are read.

    Unique keys that are missing, with the rows in the way; rows that no object could hold;
    rows in a state that there is not.
    """
    with transactions.connected() as connection:
        inspector = sa.inspect(connection)
        there = set(inspector.get_table_names())
        shapes = {
            t: _Shape(inspector, t) for t in models.metadata.sorted_tables if t.name in there
        }
    for table, shape in shapes.items():
        yield from _keys(table, shape)
        yield from _rows(table, shape)


class _Shape:
    """What of a table is in the database."""

    def __init__(self, inspector: sa.Inspector, table: sa.Table) -> None:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        self.columns = [column for column in table.columns if column.name in there]
        self.keys = {key["name"] for key in inspector.get_unique_constraints(table.name)}


def of_schema() -> Iterator[Finding]:
    """Yield what differs between the configured database's schema and the models."""
    with transactions.connected() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        for difference in compare_metadata(context, models.metadata):
            told = difference[0] if isinstance(difference, list) else difference
            what = " ".join(str(part) for part in told[:4] if isinstance(part, str))
            item = next((p for p in told if isinstance(p, sa.schema.SchemaItem)), None)
            named = f"{what} {getattr(item, 'name', '') or ''}".strip()
            advice = "somebody changed the schema by hand: compare it with the models"
            yield Finding(Need.PERSON, f"the schema differs: {named}", advice)


def _keys(table: sa.Table, shape: _Shape) -> Iterator[Finding]:
    for key in table.constraints:
        if not isinstance(key, sa.UniqueConstraint) or key.name in shape.keys:
            continue
        if not set(key.columns) <= set(shape.columns):
            continue
        valued = [column.is_not(None) for column in key.columns]
        number = sa.func.count()
        same = sa.select(*key.columns, number).where(*valued).group_by(*key.columns)
        rows = transactions.execute(same.having(number > 1).limit(SHOWN)).rows
        names = [column.name for column in key.columns]
        told = "; ".join(f"{row[-1]} rows have {_named(names, row)}" for row in rows)
        what = f"{table.name} lacks the unique key {key.name}{told and ': ' + told}"
        yield Finding(Need.UPGRADE, what, "run db upgrade; it parts them, and says how")


def _named(names: list[str], row: Any) -> str:
    told = (f"{name} {value!r}" for name, value in zip(names, row, strict=False))
    return exception.printable(", ".join(told))


def _rows(table: sa.Table, shape: _Shape) -> Iterator[Finding]:
    made = class_of(table)
    if made is None or len(shape.columns) < len(table.columns):
        return
    last = 0
    page = sa.select(table).order_by(table.c.id).limit(BATCH)
    while rows := transactions.execute(page.where(table.c.id > last)).rows:
        for row in rows:
            yield from _row(table, made, dict(row._mapping))
        last = rows[-1].id


def _row(table: sa.Table, made: Any, row: Row) -> Iterator[Finding]:
    try:
        loaded = made._obj_made(None, cells(table, row))
        for name in made.fields.keys() & row.keys():
            getattr(loaded, name)
    except exception.DatabaseError as error:
        yield Finding(Need.PERSON, str(error.kwargs["reason"]), "correct the row, or remove it")
    moves = table.info["moves"]
    if moves is not None and row["state"] not in moves.TRANSITIONS:
        state = exception.printable(repr(row["state"]))
        what = f"row {row['id']} of {table.name} is in the state {state}, which there is not"
        yield Finding(Need.PERSON, what, f"set it to one of {', '.join(moves.TRANSITIONS)}")
