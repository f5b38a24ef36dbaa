# SPDX-License-Identifier: Apache-2.0
"""How a column's type is changed while others go on writing."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from .session import ONLINE, alter, ddl, dialect, in_batches, insist, patiently, quoted


def replace(table: str, wanted: Sequence[sa.Column[Any]], there: Mapping[str, Any]) -> None:
    """Fill columns of other types beside the old ones, and let them take their places."""
    _Beside(table, {column.name: column.type for column in wanted}, there).run()


class _Beside:
    """Columns of other types, which are filled beside the old ones and then take their places."""

    def __init__(self, table: str, kinds: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        self.table = table
        self.there = there
        self.kinds = {name: ddl(kind) for name, kind in kinds.items()}
        self.new = {name: f"{name}__new" for name in kinds}
        self.trigger = f"{table}__new"

    def run(self) -> None:
        for name, kind in self.kinds.items():
            if self.new[name] not in self.there:
                filled = "" if self._may_be_null(name) else " NOT NULL DEFAULT ''"
                alter(self.table, f"ADD COLUMN {self.new[name]} {kind}{filled}")
        insist(self.table, self._take_place)

    def _take_place(self) -> None:
        if dialect() == "postgresql":
            self._follow_on_postgresql()
            self._fill()
            self._swap_on_postgresql()
        else:
            self._follow_on_mariadb()
            self._fill()
            self._swap_on_mariadb(self._indexed_on_mariadb())

    def _may_be_null(self, name: str) -> bool:
        return bool(self.there[name]["nullable"])

    def _value(self, name: str, row: str = "") -> str:
        old = f"{row}{quoted(name)}"
        if dialect() == "postgresql":
            return f"CAST({old} AS {self.kinds[name]})"
        if isinstance(self.there[name]["type"], sa.Float):
            # A float of 0.1 is 0.1 to whoever reads it, and no double.
            return f"CAST(CAST({old} AS CHAR) AS DOUBLE)"
        if isinstance(self.there[name]["type"], sa.String):
            return f"CONVERT({old} USING utf8mb4) COLLATE utf8mb4_nopad_bin"
        return old

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
        in_batches(self.table, lambda some: sa.update(table).values(fresh).where(some, behind))

    def _indexed_on_mariadb(self) -> list[str]:
        """Index the new columns as the old ones are, and return the names of their indexes."""
        inspector: Any = sa.inspect(op.get_bind())
        found = {index["name"]: index for index in inspector.get_indexes(self.table)}
        names = [n for n, index in found.items() if self.new.keys() & set(index["column_names"])]
        for name in names:
            if f"{name}__new" not in found:
                what = "UNIQUE INDEX" if found[name]["unique"] else "INDEX"
                columns = (self.new.get(c, c) for c in found[name]["column_names"])
                add = f"ADD {what} {name}__new ({', '.join(map(quoted, columns))})"
                alter(self.table, add, how=ONLINE)
        return names

    def _swap_on_mariadb(self, indexes: Sequence[str]) -> None:
        # Nobody writes between the triggers' end and the columns' change. If that fails, the new
        # columns may fall behind, and all begins again with the triggers.
        swaps = [f"DROP INDEX {name}, RENAME INDEX {name}__new TO {name}" for name in indexes]
        changes = [f"DROP COLUMN {quoted(name)}" for name in self.new]
        for name, new in self.new.items():
            null = "NULL" if self._may_be_null(name) else "NOT NULL"
            changes.append(f"CHANGE {new} {quoted(name)} {self.kinds[name]} {null}")
        patiently(self.table, f"LOCK TABLES {self.table} WRITE")
        try:
            for event in ("insert", "update"):
                op.execute(f"DROP TRIGGER IF EXISTS {self.trigger}_{event}")
            if swaps:
                op.execute(f"ALTER TABLE {self.table} {', '.join(swaps)}, ALGORITHM=NOCOPY")
            op.execute(f"ALTER TABLE {self.table} {', '.join(changes)}, ALGORITHM=INSTANT")
        finally:
            op.execute("UNLOCK TABLES")

    def _swap_on_postgresql(self) -> None:
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
