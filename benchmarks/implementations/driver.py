# SPDX-License-Identifier: Apache-2.0
"""The floor: one held connection of the driver, in autocommit; rows come out as tuples.

A write gives the whole row back, as an object is equal to its row after one; a single audit is
its row, a new one the values of its INSERT.
"""

import datetime
import json
import uuid
from collections.abc import Iterator
from typing import Any

from benchmarks import rows, sql, worker

JOINED = (
    "LEFT JOIN goals ON goals.id = audits.goal_id "
    "LEFT JOIN strategies ON strategies.id = audits.strategy_id"
)
COLUMNS = sql.names(rows.AUDIT, "audits.")
EAGER_COLUMNS = ", ".join(
    (COLUMNS, sql.names(rows.GOAL, "goals."), sql.names(rows.STRATEGY, "strategies."))
)
#: Where the documents are in a row, and in one of an eager query.
DOCUMENTS = [n for n, name in enumerate(rows.AUDIT) if name in rows.DOCUMENTS]
EAGER_DOCUMENTS = [
    n for n, name in enumerate((*rows.AUDIT, *rows.GOAL, *rows.STRATEGY)) if name in rows.DOCUMENTS
]
#: What an INSERT is given.
GIVEN = ("created_at", "deleted", "uuid", *rows.values(1))
IDENT = rows.AUDIT.index("uuid")
SESSION = {
    "sqlite": (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ),
    "postgresql": (),
    "mysql": (),
}


class Driver:
    """The statements that have to be run, and nothing around them."""

    def __init__(self, url: str) -> None:
        self.kind = sql.kind(url)
        self.cursor = sql.connect(url).cursor()
        for statement in SESSION[self.kind]:
            self.cursor.execute(statement)
        self.returning = f" RETURNING {sql.names(rows.AUDIT)}"
        texts = self._texts() | self._updates()
        self.texts = {name: sql.translated(url, text) for name, text in texts.items()}

    def _texts(self) -> dict[str, str]:
        one = "WHERE audits.uuid = %s AND audits.deleted = 0"
        plain, eager = f"SELECT {COLUMNS} FROM audits", f"SELECT {EAGER_COLUMNS} FROM audits"
        live, order = "WHERE audits.deleted = 0", "ORDER BY audits.id"
        places = ", ".join(["%s"] * len(GIVEN))
        insert = f"INSERT INTO audits ({sql.names(GIVEN)}) VALUES ({places})"
        return {
            "get": f"{plain} {one}",
            "get eager": f"{eager} {JOINED} {one}",
            "list": f"{plain} {live} {order} LIMIT %s",
            "list all": f"{plain} {live} {order}",
            "list eager": f"{eager} {JOINED} {live} {order} LIMIT %s",
            "list all eager": f"{eager} {JOINED} {live} {order}",
            "list state": f"{plain} {live} AND audits.state = %s {order} LIMIT %s",
            "create": f"{insert} {self.returning}",
            "destroy": "DELETE FROM audits WHERE uuid = %s",
        }

    def _updates(self) -> dict[str, str]:
        # MariaDB has no UPDATE ... RETURNING: there, the row is read by a statement of its own.
        returning = "" if self.kind == "mysql" else self.returning
        one = f"WHERE uuid = %s AND deleted = 0 {returning}"
        delete = "SET updated_at = %s, deleted_at = %s, deleted = id, state = 'DELETED'"
        return {
            "save": f"UPDATE audits SET updated_at = %s, status_message = %s, hostname = %s {one}",
            "soft_delete": f"UPDATE audits {delete} {one}",
            "written": f"SELECT {COLUMNS} FROM audits WHERE uuid = %s",
        }

    def _run(self, name: str, *values: Any) -> Any:
        self.cursor.execute(self.texts[name], values)
        return self.cursor

    def _now(self) -> Any:
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        return now.isoformat(" ", "microseconds") if self.kind == "sqlite" else now

    def new(self, values: dict[str, Any]) -> list[Any]:
        """Return the arguments of an INSERT; the driver constructs no objects."""
        return list(rows.stored(values).values())

    def create(self, values: list[Any]) -> Any:
        """Store it."""
        return self._run("create", self._now(), 0, str(uuid.uuid4()), *values).fetchone()

    def get(self, ident: str, eager: bool = False) -> Any:
        """Get by uuid."""
        return self._run("get eager" if eager else "get", ident).fetchone()

    def list(self, limit: int | None, state: str | None = None, eager: bool = False) -> Any:
        """List by id."""
        if state:
            return self._run("list state", state, limit).fetchall()
        name = ("list" if limit else "list all") + (" eager" if eager else "")
        return self._run(name, *((limit,) if limit else ())).fetchall()

    def read(self, audit: tuple[Any, ...], eager: bool = False) -> None:
        """Decode the documents."""
        for place in EAGER_DOCUMENTS if eager else DOCUMENTS:
            if audit[place] is not None:
                json.loads(audit[place])

    def save(self, audit: tuple[Any, ...], text: str) -> Any:
        """Change two columns."""
        return self._update("save", audit[IDENT], self._now(), text, text)

    def soft_delete(self, audit: tuple[Any, ...]) -> Any:
        """Delete softly."""
        now = self._now()
        return self._update("soft_delete", audit[IDENT], now, now)

    def _update(self, name: str, ident: str, *values: Any) -> Any:
        if self.kind != "mysql":
            return self._run(name, *values, ident).fetchone()
        self._run(name, *values, ident)
        return self._run("written", ident).fetchone()

    def refresh(self, audit: tuple[Any, ...]) -> Any:
        """Read again."""
        return self.get(audit[IDENT])

    def destroy(self, audit: tuple[Any, ...]) -> None:
        """Remove."""
        self._run("destroy", audit[IDENT])

    def as_dict(self, audit: tuple[Any, ...], eager: bool = False) -> dict[str, Any]:
        """Return the columns."""
        values = iter(audit)
        found = _shown(rows.AUDIT, values)
        if eager:
            found["goal"] = _shown(rows.GOAL, values)
            found["strategy"] = _shown(rows.STRATEGY, values)
        return found


def _shown(names: tuple[str, ...], values: Iterator[Any]) -> dict[str, Any]:
    row = {name: next(values) for name in names}
    del row["deleted"]
    return row


if __name__ == "__main__":
    worker.serve(Driver)
