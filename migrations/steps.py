# SPDX-License-Identifier: Apache-2.0
"""The steps that revisions are made of: each can be run again, and on a live database.

A step looks at what is there and does what is missing, so that a chain that was interrupted
can be run again. On PostgreSQL and MariaDB no step makes writers wait for longer than
``session.LOCK_TIMEOUT`` for it: what can't have its lock by then gives up, says so, and tries
again. Where a column's type can't be changed in place, a new column takes its place.

Revisions reach these by ``op.get_context().opts["steps"]``: they import alembic and SQLAlchemy
only, and what is in here must go on meaning what it means.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from alembic.operations import BatchOperations

from . import collation, shadow_columns
from .session import (
    ONLINE,
    alter,
    columns,
    ddl,
    dialect,
    index_concurrently,
    is_offline,
    patiently,
    quoted,
)

_ROW_FORMAT = sa.text(
    "SELECT row_format FROM information_schema.tables"
    " WHERE table_schema = database() AND table_name = :table"
)


def create_table(name: str, *items: Any, reuses_ids: bool = True) -> None:
    """Create a table, with text that compares exactly.

    :param reuses_ids: whether SQLite may give the ids of removed rows again
    """
    op.create_table(
        name,
        *map(_exact, items),
        sqlite_autoincrement=not reuses_ids,
        mysql_engine="InnoDB",
        mysql_default_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_row_format="DYNAMIC",
        if_not_exists=True,
    )


def restore(revision: str) -> None:
    """Do again what an earlier revision does, where its tables may be missing."""
    if not is_offline():
        context.script.get_revision(revision).module.upgrade()


def drop_table(name: str) -> None:
    """Drop a table, and what is in it."""
    patiently(name, f"DROP TABLE IF EXISTS {quoted(name)}")


def add_columns(table: str, *added: sa.Column[Any]) -> None:
    """Add columns that may be NULL."""
    there = columns(table)
    for column in added:
        if column.name not in there:
            alter(table, f"ADD COLUMN {quoted(column.name)} {ddl(_exact(column).type)}")


def drop_columns(table: str, *names: str) -> None:
    """Drop columns, and what is in them."""
    there = columns(table)
    for name in names:
        if is_offline() or name in there:
            alter(table, f"DROP COLUMN {quoted(name)}")


def drop_foreign_triggers(table: str) -> None:
    """Drop what records the transitions of other programs, if it is there."""
    if dialect() == "postgresql":
        patiently(table, f"DROP FUNCTION IF EXISTS record_foreign_{table}() CASCADE")
        return
    for event in ("insert", "update"):
        patiently(table, f"DROP TRIGGER IF EXISTS record_foreign_{table}_{event}")


def _exact(item: Any) -> Any:
    """Make the text of a new column compare exactly; MariaDB's tables have that by default."""
    is_text = isinstance(item, sa.Column) and isinstance(item.type, sa.String)
    if is_text and dialect() == "postgresql":
        item.type = type(item.type)(item.type.length, collation="C")
    return item


def convert(table: str, *wanted: sa.Column[Any]) -> None:
    """Change the types of columns that have another; what they hold is kept."""
    there = columns(table)
    other = [c for c in wanted if is_offline() or not _is_of(c.type, there[c.name]["type"])]
    if other and (is_offline() or dialect() == "sqlite"):
        with _batch(table) as batch:
            for column in other:
                using = f"CAST({quoted(column.name)} AS {ddl(column.type)})"
                batch.alter_column(
                    column.name,
                    type_=_exact(column).type,
                    existing_nullable=column.nullable,
                    postgresql_using=using,
                )
    else:
        shadow_columns.replace(table, other + _inexact_too(table, other, there), there)


def _inexact_too(
    table: str, other: Collection[sa.Column[Any]], there: Mapping[str, Any]
) -> list[sa.Column[Any]]:
    """Return what else is to be replaced where rows of MariaDB are written anyway."""
    if not other or dialect() != "mysql":
        return []
    inexact = {c.name: c for c in collation.inexact_on_mariadb(table, there)}
    more = [column for name, column in inexact.items() if name not in {c.name for c in other}]
    return [] if "id" in inexact else more


def _is_of(wanted: Any, found: Any) -> bool:
    # What follows the first word is a collation.
    return ddl(wanted).split()[0] == ddl(found).split()[0]


@contextmanager
def _batch(table: str) -> Iterator[BatchOperations]:
    """Rewrite a table on SQLite, and keep the triggers and indexes that alembic does not know."""
    before = _extras(table)
    with op.batch_alter_table(table) as batch:
        yield batch
    for extra in before.keys() - _extras(table).keys():
        op.get_bind().exec_driver_sql(before[extra])


def _extras(table: str) -> dict[tuple[str, str], str]:
    if dialect() != "sqlite":
        return {}
    extras = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND type <> 'table'"
    found = op.get_bind().exec_driver_sql(extras, (table,))
    return {(kind, name): statement for kind, name, statement in found if statement}


def compare_exactly(table: str) -> None:
    """Let text compare by code point, and on MariaDB with its trailing blanks."""
    for_dialect = {"postgresql": collation.on_postgresql, "mysql": collation.on_mariadb}
    if not is_offline() and dialect() in for_dialect:
        for_dialect[dialect()](table)


def widen_rows(table: str) -> None:
    """Let rows of MariaDB's old formats be of the one in which long text can be indexed."""
    if dialect() != "mysql" or is_offline():
        return
    if op.get_bind().scalar(_ROW_FORMAT, {"table": table}) in ("Compact", "Redundant"):
        alter(table, "ROW_FORMAT=DYNAMIC", how=ONLINE)


def default(table: str, column: str, value: str) -> None:
    """Give a column a default of the server's, which is SQL."""
    there = columns(table)
    if there and there[column]["default"] is not None:
        return
    if dialect() == "sqlite":
        with _batch(table) as batch:
            batch.alter_column(column, server_default=sa.text(value))
    else:
        alter(table, f"ALTER COLUMN {quoted(column)} SET DEFAULT {value}")


def require(table: str, column: str, kind: Any) -> None:
    """Make a column that has a value in every row NOT NULL."""
    there = columns(table)
    if there and not there[column]["nullable"]:
        return
    name = quoted(column)
    if dialect() == "mysql" and is_offline():
        alter(table, f"MODIFY {name} {ddl(kind)} NOT NULL", how=ONLINE)
    elif dialect() == "mysql":
        # In place the whole table would be written anew, for which a cluster stands still.
        shadow_columns.replace(table, [sa.Column(column, kind, nullable=False)], there)
    elif dialect() == "postgresql":
        check = f"{table}_{column}_is_there"
        alter(table, f"DROP CONSTRAINT IF EXISTS {check}")
        alter(table, f"ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID")
        try:
            alter(table, f"VALIDATE CONSTRAINT {check}")
        except Exception:
            # A step that corrects such a row otherwise could not write it.
            alter(table, f"DROP CONSTRAINT {check}")
            raise
        alter(table, f"ALTER COLUMN {name} SET NOT NULL", f"DROP CONSTRAINT {check}")
    else:
        with _batch(table) as batch:
            batch.alter_column(column, nullable=False, existing_type=kind)


def create_unique(name: str, table: str, *names: str) -> None:
    """Create a unique key.

    :raises IntegrityError: two rows have the same values there
    """
    if name in _uniques(table):
        return
    listed = ", ".join(map(quoted, names))
    if dialect() == "mysql":
        alter(table, f"ADD CONSTRAINT {name} UNIQUE ({listed})", how=ONLINE)
    elif dialect() == "postgresql":
        index_concurrently("UNIQUE INDEX", name, table, listed)
        alter(table, collation.unique_using(name, name))
    else:
        with _batch(table) as batch:
            batch.create_unique_constraint(name, list(names))


def drop_unique(name: str, table: str) -> None:
    """Drop a unique key, if it is there."""
    if not (is_offline() or name in _uniques(table)):
        return
    if dialect() != "sqlite":
        kind = "INDEX" if dialect() == "mysql" else "CONSTRAINT"
        alter(table, f"DROP {kind} IF EXISTS {name}")
    else:
        with _batch(table) as batch:
            batch.drop_constraint(name, type_="unique")


def _uniques(table: str) -> Collection[Any]:
    if is_offline():
        return ()
    return [key["name"] for key in sa.inspect(op.get_bind()).get_unique_constraints(table)]


def create_index(name: str, table: str, *names: str) -> None:
    """Create an index while others go on writing."""
    if dialect() != "postgresql" and name in _indexes(table):
        return
    if dialect() == "postgresql":
        index_concurrently("INDEX", name, table, ", ".join(names))
    elif dialect() == "mysql":
        alter(table, f"ADD INDEX {name} ({', '.join(names)})", how=ONLINE)
    else:
        op.create_index(name, table, list(names))


def _indexes(table: str) -> Collection[Any]:
    if is_offline():
        return ()
    return [index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)]


def drop_index(name: str, table: str, column: str) -> None:
    """Drop an index, if it is there; MariaDB keeps one of a column that refers elsewhere."""
    if dialect() == "mysql":
        if column.endswith("_id") and column not in _indexes(table):
            alter(table, f"ADD INDEX IF NOT EXISTS {column} ({column})", how=ONLINE)
        alter(table, f"DROP INDEX IF EXISTS {name}")
    else:
        how = "CONCURRENTLY " if dialect() == "postgresql" else ""
        patiently(table, f"DROP INDEX {how}IF EXISTS {name}")
