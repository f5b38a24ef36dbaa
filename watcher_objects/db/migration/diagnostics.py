# SPDX-License-Identifier: Apache-2.0
"""The problems of a database, and their remedies."""

import collections
import enum
import pickletools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from watcher_objects import exception
from watcher_objects.db import models, transactions, work
from watcher_objects.db.backend import database
from watcher_objects.db.backend.dialects.catalog import Catalog
from watcher_objects.db.migration import cluster, revisions
from watcher_objects.db.migration.repairs import Repairs
from watcher_objects.db.sql.queries import Row
from watcher_objects.fields import coercion

#: Rows that are read at once, and rows that are named in one finding.
BATCH = 1000
SHOWN = 5
#: Seconds for which claimed rows may be without a live worker.
LEFT = 3600


class Need(enum.IntEnum):
    """The remedy that a finding needs; the greatest is the exit code of ``db check``."""

    NOTHING = 0
    UPGRADE = 1
    PERSON = 2


class Finding(NamedTuple):
    """A problem, and its remedy."""

    need: Need
    what: str
    advice: str


def of_server() -> Iterator[Finding]:
    """Yield the problems of the configured database that do not depend on its rows."""
    if (query := _catalog().encoding) is None:
        return
    encoding = transactions.execute(query).rows[0][0]
    if encoding != "UTF8":
        what = f"the database's encoding is {encoding}, which does not keep every text as it is"
        advice = "restore a dump of it into a database that is created with ENCODING 'UTF8'"
        yield Finding(Need.PERSON, what, advice)


def of_rows(repairs: Repairs) -> Iterator[Finding]:
    """Yield the problems of the rows of the configured database, all of which are read.

    Unique keys that are missing, with the rows in the way; rows that refer to rows that are
    gone; rows that workers have left; rows that no object could hold; rows in a state that does
    not exist.

    :param repairs: what an upgrade repairs
    """
    with transactions.connected() as connection:
        inspector = sa.inspect(connection)
        there = set(inspector.get_table_names())
        shapes = {
            t: _Shape(inspector, t) for t in models.metadata.sorted_tables if t.name in there
        }
    for table, shape in shapes.items():
        yield from _keys(table, shape)
        yield from _orphans(table, shapes)
        yield from _left(table, shapes)
        yield from _rows(table, shape, repairs)
    for what, remedy in repairs.met():
        yield Finding(Need.UPGRADE, what, f"run db upgrade; {remedy}")


class _Shape:
    """The parts of a table that exist in the database."""

    def __init__(self, inspector: sa.Inspector, table: sa.Table) -> None:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        self.columns = [column for column in table.columns if column.name in there]
        self.keys = {key["name"] for key in inspector.get_unique_constraints(table.name)}


def of_schema() -> Iterator[Finding]:
    """Yield the differences between the schema of the configured database and the models."""
    with transactions.connected() as connection:
        options = {"compare_type": True, "include_name": lambda name, *_: name != cluster.TABLE}
        context = MigrationContext.configure(connection, opts=options)
        for difference in compare_metadata(context, models.metadata):
            step = difference[0] if isinstance(difference, list) else difference
            what = " ".join(str(part) for part in step[:4] if isinstance(part, str))
            item = next((p for p in step if isinstance(p, sa.schema.SchemaItem)), None)
            named = f"{what} {getattr(item, 'name', '') or ''}".strip()
            if (harmless := _harmless(step[0], item)) is not None:
                yield from harmless
                continue
            advice = "somebody changed the schema by hand: compare it with the models"
            yield Finding(Need.PERSON, f"the schema differs: {named}", advice)


def of_storage() -> Iterator[Finding]:
    """Yield the tables of the configured database that are not rolled back."""
    ours = {*models.metadata.tables, revisions.VERSION}
    for name, storage in _ask(_catalog().storage_engines):
        if name in ours and storage != "InnoDB":
            what = f"{name} is stored by {storage}, which neither rolls back nor checks references"
            yield Finding(Need.PERSON, what, f"run ALTER TABLE {name} ENGINE = InnoDB")


def of_text() -> Iterator[Finding]:
    """Yield the columns that keep or compare text otherwise than the models say."""
    found = collections.defaultdict(list)
    for table, column, collation in _ask(_catalog().collations):
        if column in models.metadata.tables.get(table, sa.table(table)).columns:
            found[table, collation].append(column)
    for (table, collation), columns in found.items():
        if collation != models.COLLATION:
            what = f"text in {table} has the collation {collation}: {', '.join(columns)}"
            advice = f"convert these columns to CHARACTER SET utf8mb4 COLLATE {models.COLLATION}"
            yield Finding(Need.PERSON, what, advice)


def _catalog() -> Catalog:
    return database.current().backend.catalog


def of_pickles() -> Iterator[Finding]:
    """Yield the rows with pickled objects that a program without this library cannot read.

    They name modules of this package. The scheduler of Watcher stores its jobs like that.
    """
    for column in (c for t in models.metadata.sorted_tables for c in t.columns):
        if "pickled" not in column.info:
            continue
        table = column.table
        with transactions.connected() as connection:
            if not sa.inspect(connection).has_table(table.name):
                continue
        rows = transactions.execute(sa.select(table.c.id, column).order_by(table.c.id)).rows
        named = [str(key) for key, pickled in rows if _names_this_package(pickled)]
        if named:
            what = f"{len(named)} rows of {table.name} cannot be read without this library"
            shown = [
                *map(exception.escape_control, named[:SHOWN]),
                *["..."] * (len(named) > SHOWN),
            ]
            remedy = "delete them; the program that wrote them creates them again"
            yield Finding(Need.PERSON, f"{what}: id {', '.join(shown)}", remedy)


def _names_this_package(pickled: Any) -> bool:
    if not isinstance(pickled, bytes):
        return False
    try:
        texts = [value for _, value, _ in pickletools.genops(pickled) if isinstance(value, str)]
    except ValueError:
        return False
    return any(text.startswith("watcher_objects.") for text in texts)


def _ask(query: str | None) -> Sequence[Any]:
    """Return the rows of a query; none without one."""
    if query is None:
        return ()
    with transactions.connected() as connection:
        return connection.exec_driver_sql(query).fetchall()


def _harmless(difference: str, item: Any) -> list[Finding] | None:
    """Return what is found of a table of another program or an additional index; else None."""
    table: Any = item if isinstance(item, sa.Table) else getattr(item, "table", None)
    if table is not None and table.name not in models.metadata.tables:
        what = f"the table {exception.escape_control(table.name)} is not this program's"
        found = Finding(Need.NOTHING, what, "nothing: it is left alone")
        # What belongs to the table is part of that finding.
        return [found] if item is table else []
    if difference == "remove_index" and not item.unique:
        what = f"{table.name} has an additional index {exception.escape_control(str(item.name))}"
        return [Finding(Need.NOTHING, what, "nothing: it may stay")]
    return None


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
        duplicates = "; ".join(f"{row[-1]} rows have {_named(names, row)}" for row in rows)
        what = f"{table.name} lacks the unique key {key.name}{duplicates and ': ' + duplicates}"
        yield Finding(Need.UPGRADE, what, "run db upgrade, which renames them and reports how")


def _named(names: list[str], row: Any) -> str:
    shown = (f"{name} {value!r}" for name, value in zip(names, row, strict=False))
    return exception.escape_control(", ".join(shown))


def _orphans(table: sa.Table, shapes: Mapping[sa.Table, _Shape]) -> Iterator[Finding]:
    """Yield rows that refer to rows that are gone, which a database may not have refused."""
    for key in table.foreign_keys:
        column, target = key.parent, key.column.table.alias()
        if column not in shapes[table].columns or key.column.table not in shapes:
            continue
        joined = table.outerjoin(target, target.c[key.column.name] == column)
        query = sa.select(table.c.id, column).select_from(joined).order_by(table.c.id)
        orphan = (column.is_not(None), target.c[key.column.name].is_(None))
        for ident, gone in transactions.execute(query.where(*orphan).limit(SHOWN)).rows:
            what = f"row {ident} of {table.name} refers to row {gone} of {key.column.table.name}"
            remedy = f"remove the row, or correct its {column.name}"
            yield Finding(Need.PERSON, f"{what}, which does not exist", remedy)


def _left(table: sa.Table, shapes: Mapping[sa.Table, _Shape]) -> Iterator[Finding]:
    """Yield rows that dead workers hold, and that nobody has taken over."""
    is_known = shapes[table].columns == [*table.columns] and models.workers in shapes
    if table not in work.tables() or not is_known:
        return
    number, first = work.left(table, LEFT, SHOWN)
    if number:
        state = table.info["state_machine"].RUNNING
        named = [*map(str, first), *["..."] * (number > len(first))]
        what = f"{number} of {table.name} are {state}, and no worker has had them for an hour"
        remedy = "start workers that take them over, or cancel them"
        yield Finding(Need.PERSON, f"{what}: id {', '.join(named)}", remedy)


def _rows(table: sa.Table, shape: _Shape, repairs: Repairs) -> Iterator[Finding]:
    load = table.info.get("load")
    if load is None or (len(shape.columns) < len(table.columns) and not repairs):
        return
    last = 0
    # As the driver gives them: of a value that fits no type, the object says which row it is in.
    columns = [sa.type_coerce(c, sa.types.NullType()).label(c.name) for c in shape.columns]
    page = sa.select(*columns).select_from(table).order_by(table.c.id).limit(BATCH)
    while rows := transactions.execute(page.where(table.c.id > last)).rows:
        for found in rows:
            row = dict(found._mapping)
            repairs.apply(table, row)
            yield from _row(table, load, dict.fromkeys(table.columns.keys()) | row)
        last = rows[-1].id


def _row(table: sa.Table, load: Callable[..., Any], row: Row) -> Iterator[Finding]:
    place = f"row {row['id']} of {table.name}"
    try:
        load([*row.values()])
    except exception.DatabaseError as error:
        yield Finding(Need.PERSON, str(error.kwargs["reason"]), "correct the row, or remove it")
    moves = table.info["state_machine"]
    if moves is not None and row["state"] not in moves.TRANSITIONS:
        state = exception.escape_control(repr(row["state"]))
        what = f"{place} is in the state {state}, which does not exist"
        yield Finding(Need.PERSON, what, f"set it to one of {', '.join(moves.TRANSITIONS)}")
    if "uuid" in row and not _is_canonical(row["uuid"]):
        remedy = "write it in lower case, with dashes"
        yield Finding(Need.PERSON, f"{place} has its uuid in another spelling", remedy)
    if row.get("deleted", 0) is None:
        remedy = "set deleted to 0, or to the id of the row"
        yield Finding(Need.PERSON, f"{place} says neither that it is deleted nor not", remedy)


def _is_canonical(ident: Any) -> bool:
    """Return whether a uuid can be found by its value; one that is missing is another fault."""
    try:
        return ident is None or coercion.to_uuid("uuid", ident) == ident
    except exception.InvalidValue:
        # The object says so.
        return True


def of_sequences() -> Iterator[Finding]:
    """Yield the tables for whose next row a sequence would give an id that is taken."""
    for table in models.metadata.sorted_tables:
        if not isinstance(table.c.get("id", sa.column("id")).type, sa.Integer):
            continue
        if (of_table := _catalog().sequence(table)) is None:
            return
        sequence, drawn = of_table
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0)).scalar_subquery()
        behind = transactions.execute(sa.select(sequence).where(drawn < newest)).rows
        for (name,) in behind:
            remedy = f"set {name} to the highest id, with setval"
            what = f"the sequence of {table.name} is lower than the ids of its rows"
            yield Finding(Need.PERSON, what, remedy)
