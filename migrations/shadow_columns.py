# SPDX-License-Identifier: Apache-2.0
"""How a column's type is changed while others go on writing: by a column that takes its place."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from .session import (
    ONLINE,
    alter,
    alter_instantly,
    ddl,
    dialect,
    in_batches,
    patiently,
    quoted,
)

#: How the names of shadow columns, and of their indexes, end.
SUFFIX = "__new"
#: Text of MariaDB that compares by code point.
EXACT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"

_KINDS_ON_MARIADB = sa.text(
    "SELECT column_name, concat(column_type, coalesce(concat(' CHARACTER SET ',"
    " character_set_name, ' COLLATE ', collation_name), '')) FROM information_schema.columns"
    " WHERE table_schema = database() AND table_name = :table"
)


def replace(table: str, wanted: Sequence[sa.Column[Any]], there: Mapping[str, Any]) -> None:
    """Fill shadow columns of other types, and exchange them for the columns of these names.

    What an interrupted run has left of columns that are replaced already is removed.
    """
    names = {f"{column.name}{SUFFIX}" for column in wanted}
    left = [name for name in there if name.endswith(SUFFIX) and name not in names]
    if left and dialect() == "mysql":
        _finish_on_mariadb(table, left)
    if wanted:
        _ShadowColumns(table, wanted, there).run()


def _finish_on_mariadb(table: str, left: Collection[str]) -> None:
    """Drop shadow columns, and give the names of their indexes to those of the new columns."""
    changes = []
    for name, _, listed in _indexes_on_mariadb(table):
        if {column for column, _ in listed} & set(left):
            changes.append(f"DROP INDEX {quoted(name)}")
        elif name.endswith(SUFFIX):
            changes.append(f"RENAME INDEX {quoted(name)} TO {quoted(name.removesuffix(SUFFIX))}")
    if changes:
        alter(table, *changes, how="ALGORITHM=NOCOPY")
    for event in ("insert", "update"):
        patiently(table, f"DROP TRIGGER IF EXISTS {table}{SUFFIX}_{event}")
    alter_instantly(table, *(f"DROP COLUMN {quoted(name)}" for name in left))


def _indexes_on_mariadb(table: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield each index: its name, its kind, and its columns with the lengths of their prefixes."""
    for index in sa.inspect(op.get_bind()).get_indexes(table):
        lengths = index.get("dialect_options", {}).get("mysql_length", {})
        names = [str(name) for name in index["column_names"]]
        listed = [(n, f"({lengths[n]})" if n in lengths else "") for n in names]
        yield str(index["name"]), "UNIQUE INDEX" if index["unique"] else "INDEX", listed


class _ShadowColumns:
    """Columns of other types, which triggers fill and which then take the places of the old."""

    def __init__(
        self, table: str, wanted: Sequence[sa.Column[Any]], there: Mapping[str, Any]
    ) -> None:
        self.table = table
        self.there = there
        self.columns = {column.name: column for column in wanted}
        self.kinds = {name: self._kind(column.type) for name, column in self.columns.items()}
        self.new = {name: f"{name}{SUFFIX}" for name in self.columns}
        self.trigger = f"{table}{SUFFIX}"

    def run(self) -> None:
        for name, kind in self.kinds.items():
            if self.new[name] not in self.there:
                filled = (
                    "" if self._may_be_null(name) else f" NOT NULL DEFAULT {self._empty(name)}"
                )
                alter(self.table, f"ADD COLUMN {self.new[name]} {kind}{filled}")
        if dialect() == "postgresql":
            self._follow_on_postgresql()
            self._fill()
            self._exchange_on_postgresql()
        else:
            self._follow_on_mariadb()
            self._fill()
            self._index_on_mariadb()
            self._exchange_on_mariadb()
            _finish_on_mariadb(self.table, self.new.values())

    def _kind(self, kind: Any) -> str:
        is_text = isinstance(kind, sa.String) and dialect() == "mysql"
        return ddl(kind) + (f" {EXACT}" if is_text and "COLLATE" not in ddl(kind) else "")

    def _may_be_null(self, name: str) -> bool:
        return bool(self.there[name]["nullable"] and self.columns[name].nullable)

    def _empty(self, name: str) -> str:
        """Return what a column that may not be NULL holds until it is filled."""
        return "''" if isinstance(self.columns[name].type, sa.String) else "0"

    def _value(self, name: str, row: str = "") -> str:
        old = f"{row}{quoted(name)}"
        if dialect() == "postgresql":
            return f"CAST({old} AS {self.kinds[name]})"
        if isinstance(self.there[name]["type"], sa.Float):
            # A float of 0.1 means 0.1, not the double that is nearest to the float.
            old = f"CAST(CAST({old} AS CHAR) AS DOUBLE)"
        elif isinstance(self.there[name]["type"], sa.String):
            old = f"CONVERT({old} USING utf8mb4) COLLATE utf8mb4_nopad_bin"
        return old if self._may_be_null(name) else f"COALESCE({old}, {self._empty(name)})"

    def _follow_on_mariadb(self) -> None:
        sets = ", ".join(f"NEW.{new} = {self._value(n, 'NEW.')}" for n, new in self.new.items())
        for event in ("INSERT", "UPDATE"):
            name = f"{self.trigger}_{event.lower()}"
            made = f"CREATE OR REPLACE TRIGGER {name} BEFORE {event} ON {self.table}"
            patiently(self.table, f"{made} FOR EACH ROW SET {sets}")

    def _follow_on_postgresql(self) -> None:
        sets = " ".join(f"NEW.{new} := {self._value(n, 'NEW.')};" for n, new in self.new.items())
        body = f"BEGIN {sets} RETURN NEW; END"
        returns = "RETURNS trigger LANGUAGE plpgsql"
        patiently(
            self.table,
            f"CREATE OR REPLACE FUNCTION {self.trigger}() {returns} AS '{body}'",
            f"DROP TRIGGER IF EXISTS {self.trigger} ON {self.table}",
            f"CREATE TRIGGER {self.trigger} BEFORE INSERT OR UPDATE ON {self.table}"
            f" FOR EACH ROW EXECUTE FUNCTION {self.trigger}()",
        )

    def _fill(self) -> None:
        table = sa.table(self.table, *map(sa.column, self.new.values()))
        same = "({0} <=> {1})" if dialect() == "mysql" else "({0} IS NOT DISTINCT FROM {1})"
        stale = [f"NOT {same.format(new, self._value(n))}" for n, new in self.new.items()]
        fresh = {new: sa.text(self._value(n)) for n, new in self.new.items()}
        behind = sa.text(f"({' OR '.join(stale)})")
        in_batches(self.table, sa.update(table).values(fresh), behind)

    def _index_on_mariadb(self) -> None:
        """Index the shadow columns as the old ones are."""
        found = {name: (kind, listed) for name, kind, listed in _indexes_on_mariadb(self.table)}
        for name, (kind, listed) in found.items():
            is_wanted = any(column in self.new for column, _ in listed)
            if is_wanted and f"{name}{SUFFIX}" not in found:
                columns = (f"{quoted(self.new.get(c, c))}{length}" for c, length in listed)
                add = f"ADD {kind} {name}{SUFFIX} ({', '.join(columns)})"
                alter(self.table, add, how=ONLINE)

    def _exchange_on_mariadb(self) -> None:
        # One statement exchanges the names, with no lock around it: a writer that comes before or
        # after it meets triggers that fill the one column from the other.
        changes = []
        for name, old in self._old_kinds_on_mariadb().items():
            new, must = self.new[name], "NOT NULL"
            kept = "NULL" if self.there[name]["nullable"] else f"{must} DEFAULT ''"
            changes.append(f"CHANGE {quoted(name)} {new} {old} {kept}")
            null = "NULL" if self._may_be_null(name) else must
            changes.append(f"CHANGE {new} {quoted(name)} {self.kinds[name]} {null}")
        alter_instantly(self.table, *changes)

    def _old_kinds_on_mariadb(self) -> dict[str, str]:
        rows = op.get_bind().execute(_KINDS_ON_MARIADB, {"table": self.table})
        return {name: kind for name, kind in map(tuple, rows) if name in self.new}

    def _exchange_on_postgresql(self) -> None:
        swaps = []
        for name, new in self.new.items():
            swaps.append(f"ALTER TABLE {self.table} DROP COLUMN {quoted(name)}")
            swaps.append(f"ALTER TABLE {self.table} RENAME COLUMN {new} TO {quoted(name)}")
        patiently(
            self.table,
            f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE",
            f"DROP TRIGGER {self.trigger} ON {self.table}",
            f"DROP FUNCTION {self.trigger}()",
            *swaps,
        )
