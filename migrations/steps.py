# SPDX-License-Identifier: Apache-2.0
"""The steps that revisions are made of: each can be run again, and on a live database.

A step looks at what is there and does what is missing, so that a chain that was interrupted
can be run again. On PostgreSQL and MariaDB no step makes writers wait for longer than
``session.LOCK_TIMEOUT`` for it: what can't have its lock by then gives up, says so, and tries
again. Where a column's type can't be changed in place, a new column takes its place.

Revisions reach these by ``op.get_context().opts["steps"]``: they import alembic and SQLAlchemy
only, and what is in here must go on meaning what it means.
"""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from . import beside
from .session import (
    NOT_IN_PLACE,
    ONLINE,
    alter,
    columns,
    ddl,
    dialect,
    is_offline,
    patiently,
    quoted,
    tells,
)


def create_table(name: str, *items: Any) -> None:
    """Create a table, with text that compares exactly."""
    op.create_table(
        name,
        *map(_exact, items),
        mysql_engine="InnoDB",
        mysql_default_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        if_not_exists=True,
    )


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


def _exact(item: Any) -> Any:
    """Let the text of a new column compare exactly; MariaDB's tables have that by default."""
    is_text = isinstance(item, sa.Column) and isinstance(item.type, sa.String)
    if is_text and dialect() == "postgresql":
        item.type = type(item.type)(item.type.length, collation="C")
    return item


def convert(table: str, *wanted: sa.Column[Any]) -> None:
    """Change the types of columns that have another; what they hold is kept."""
    there = columns(table)
    other = [c for c in wanted if is_offline() or not _is_of(c.type, there[c.name]["type"])]
    if other and (is_offline() or dialect() == "sqlite"):
        with op.batch_alter_table(table) as batch:
            for column in other:
                using = f"CAST({quoted(column.name)} AS {ddl(column.type)})"
                batch.alter_column(
                    column.name,
                    type_=_exact(column).type,
                    existing_nullable=column.nullable,
                    postgresql_using=using,
                )
    elif other:
        beside.replace(table, other, there)


def _is_of(wanted: Any, found: Any) -> bool:
    # What comes behind the first word is a collation.
    return ddl(wanted).split()[0] == ddl(found).split()[0]


def compare_exactly(table: str) -> None:
    """Let text compare by code point, and on MariaDB with its trailing blanks."""
    for_dialect = {"postgresql": _c_collation, "mysql": _nopad_bin}
    if not is_offline() and dialect() in for_dialect:
        for_dialect[dialect()](table)


def _texts(there: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of the columns that hold text."""
    return {name: c["type"] for name, c in there.items() if isinstance(c["type"], sa.String)}


def _c_collation(table: str) -> None:
    texts = _texts(columns(table))
    inexact = {name: kind for name, kind in texts.items() if kind.collation != "C"}
    # The unique keys would be built anew under a lock. These, of the collation to come, stay.
    for key in (keys := _keys_of(table, inexact)):
        parts = (f'{quoted(n)} COLLATE "C"' if n in texts else quoted(n) for n in keys[key])
        _index_concurrently("UNIQUE INDEX", f"{key}__new", table, ", ".join(parts))
    changes = [
        f'ALTER COLUMN {quoted(name)} TYPE {ddl(kind)} COLLATE "C"'
        for name, kind in inexact.items()
    ]
    if changes:
        patiently(
            table,
            *(f"ALTER TABLE {table} DROP CONSTRAINT {key}" for key in keys),
            f"ALTER TABLE {table} {', '.join(changes)}",
            *(f"ALTER TABLE {table} {_unique_using(key, f'{key}__new')}" for key in keys),
        )


def _keys_of(table: str, names: Collection[str]) -> dict[Any, list[str]]:
    """Return the unique keys in which one of the columns is, and their columns."""
    keys = sa.inspect(op.get_bind()).get_unique_constraints(table)
    found = {key["name"]: key["column_names"] for key in keys}
    return {key: listed for key, listed in found.items() if set(listed) & set(names)}


def _index_concurrently(what: str, name: str, table: str, listed: str) -> None:
    # What an interrupted run leaves is invalid.
    patiently(table, f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    patiently(table, f"CREATE {what} CONCURRENTLY {name} ON {table} ({listed})")


def _unique_using(key: str, index: str) -> str:
    return f"ADD CONSTRAINT {key} UNIQUE USING INDEX {index}"


def _nopad_bin(table: str) -> None:
    exact = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
    there = columns(table)
    texts = _texts(there)
    wanted = [
        sa.Column(name, _exact_on_mariadb(kind), nullable=there[name]["nullable"])
        for name, kind in texts.items()
        if kind.collation != "utf8mb4_nopad_bin"
    ]
    if not wanted:
        return
    changes = [
        f"MODIFY {quoted(c.name)} {ddl(c.type)} {'NULL' if c.nullable else 'NOT NULL'}"
        for c in wanted
    ]
    try:
        # The scheduler's jobs, whose names are their key, are copied; they are few.
        alter(table, *changes, how="" if "id" in texts else ONLINE)
    except Exception as error:
        if not tells(error, NOT_IN_PLACE):
            raise
        beside.replace(table, wanted, there)
    alter(table, f"DEFAULT {exact}", how="ALGORITHM=INSTANT")


def _exact_on_mariadb(kind: Any) -> Any:
    """Return the type of text with MariaDB's collation that compares exactly."""
    exact = {"charset": "utf8mb4", "collation": "utf8mb4_nopad_bin"}
    return type(kind)(kind.length, **exact) if kind.length else type(kind)(**exact)


def default(table: str, column: str, value: str) -> None:
    """Give a column a default of the server's, which is SQL."""
    there = columns(table)
    if there and there[column]["default"] is not None:
        return
    if dialect() == "sqlite":
        with op.batch_alter_table(table) as batch:
            batch.alter_column(column, server_default=sa.text(value))
    else:
        alter(table, f"ALTER COLUMN {quoted(column)} SET DEFAULT {value}")


def require(table: str, column: str, kind: Any) -> None:
    """Let a column that has a value in every row be NOT NULL."""
    there = columns(table)
    if there and not there[column]["nullable"]:
        return
    name = quoted(column)
    if dialect() == "mysql":
        alter(table, f"MODIFY {name} {ddl(kind)} NOT NULL", how=ONLINE)
    elif dialect() == "postgresql":
        check = f"{table}_{column}_is_there"
        alter(table, f"DROP CONSTRAINT IF EXISTS {check}")
        alter(table, f"ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID")
        alter(table, f"VALIDATE CONSTRAINT {check}")
        alter(table, f"ALTER COLUMN {name} SET NOT NULL", f"DROP CONSTRAINT {check}")
    else:
        with op.batch_alter_table(table) as batch:
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
        _index_concurrently("UNIQUE INDEX", name, table, listed)
        alter(table, _unique_using(name, name))
    else:
        with op.batch_alter_table(table) as batch:
            batch.create_unique_constraint(name, list(names))


def drop_unique(name: str, table: str) -> None:
    """Drop a unique key, if it is there."""
    if not (is_offline() or name in _uniques(table)):
        return
    if dialect() != "sqlite":
        kind = "INDEX" if dialect() == "mysql" else "CONSTRAINT"
        alter(table, f"DROP {kind} IF EXISTS {name}")
    else:
        with op.batch_alter_table(table) as batch:
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
        _index_concurrently("INDEX", name, table, ", ".join(names))
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
        patiently(table, f"DROP INDEX IF EXISTS {name} ON {table}")
    else:
        how = "CONCURRENTLY " if dialect() == "postgresql" else ""
        patiently(table, f"DROP INDEX {how}IF EXISTS {name}")
