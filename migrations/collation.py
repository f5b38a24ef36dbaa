# SPDX-License-Identifier: Apache-2.0
"""How text is made to compare by code point, and on MariaDB with its trailing blanks."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from . import shadow_columns
from .session import INSTANT, alter, columns, ddl, index_concurrently, patiently, quoted

_OF_TABLE = "WHERE table_schema = database() AND table_name = :table"
_INEXACT = sa.text(
    f"SELECT column_name FROM information_schema.columns {_OF_TABLE}"  # noqa: S608 - a constant
    " AND collation_name <> 'utf8mb4_nopad_bin'"
)
_DEFAULT = sa.text(
    f"SELECT table_collation FROM information_schema.tables {_OF_TABLE}"  # noqa: S608 - as above
)


def inexact_on_mariadb(table: str, there: Mapping[str, Any]) -> list[sa.Column[Any]]:
    """Return the columns of text that does not compare exactly, as they are to be."""
    names = set(op.get_bind().scalars(_INEXACT, {"table": table}))
    return [
        sa.Column(name, _exact(there[name]["type"]), nullable=there[name]["nullable"])
        for name in there
        if name in names and not name.endswith(shadow_columns.SUFFIX)
    ]


def _exact(kind: Any) -> Any:
    exact = {"charset": "utf8mb4", "collation": "utf8mb4_nopad_bin"}
    return type(kind)(kind.length, **exact) if kind.length else type(kind)(**exact)


def on_mariadb(table: str) -> None:
    """Make the text of a table, and of future columns, compare exactly."""
    there = columns(table)
    wanted = inexact_on_mariadb(table, there)
    if "id" not in {column.name for column in wanted}:
        shadow_columns.replace(table, wanted, there)
    else:
        # The scheduler's jobs, whose names are their key, are copied; they are few.
        null = {True: "NULL", False: "NOT NULL"}
        kinds = (f"{quoted(c.name)} {ddl(c.type)} {null[bool(c.nullable)]}" for c in wanted)
        alter(table, *(f"MODIFY {kind}" for kind in kinds))
    if op.get_bind().scalar(_DEFAULT, {"table": table}) != "utf8mb4_nopad_bin":
        alter(table, f"DEFAULT {shadow_columns.EXACT}", how=INSTANT)


def on_postgresql(table: str) -> None:
    """Make the text of a table compare exactly."""
    there = columns(table).items()
    texts = {name: c["type"] for name, c in there if isinstance(c["type"], sa.String)}
    inexact = {name: kind for name, kind in texts.items() if kind.collation != "C"}
    # The unique keys would be built anew under a lock. These, of the collation to come, stay.
    for key in (keys := _keys_of(table, inexact)):
        parts = (f'{quoted(n)} COLLATE "C"' if n in texts else quoted(n) for n in keys[key])
        index_concurrently("UNIQUE INDEX", f"{key}__new", table, ", ".join(parts))
    changes = [
        f'ALTER COLUMN {quoted(name)} TYPE {ddl(kind)} COLLATE "C"'
        for name, kind in inexact.items()
    ]
    if changes:
        patiently(
            table,
            *(f"ALTER TABLE {table} DROP CONSTRAINT {key}" for key in keys),
            f"ALTER TABLE {table} {', '.join(changes)}",
            *(f"ALTER TABLE {table} {unique_using(key, f'{key}__new')}" for key in keys),
        )


def _keys_of(table: str, names: Collection[str]) -> dict[Any, list[str]]:
    """Return the unique keys in which one of the columns is, and their columns."""
    keys = sa.inspect(op.get_bind()).get_unique_constraints(table)
    found = {key["name"]: key["column_names"] for key in keys}
    return {key: listed for key, listed in found.items() if set(listed) & set(names)}


def unique_using(key: str, index: str) -> str:
    """Return how an index of PostgreSQL becomes a unique key."""
    return f"ADD CONSTRAINT {key} UNIQUE USING INDEX {index}"
