# SPDX-License-Identifier: Apache-2.0
"""Bare connections through the drivers, in autocommit; the floor, and who fills the databases."""

import contextlib
import itertools
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

#: What a URL may begin with, and which database that means.
KINDS = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
BATCH = 5000


def kind(url: str) -> str:
    """Return which database a URL means: sqlite, postgresql or mysql."""
    return KINDS[urlsplit(url).scheme.partition("+")[0]]


def path(url: str) -> str:
    """Return the file of an SQLite URL."""
    return url.partition(":///")[2]


def connect(url: str) -> Any:
    """Return a new connection through the driver."""
    parts = urlsplit(url)
    return {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql}[kind(url)](url, parts)


def _sqlite(url: str, parts: SplitResult) -> Any:
    import sqlite3

    return sqlite3.connect(path(url), isolation_level=None, timeout=30)


def _postgresql(url: str, parts: SplitResult) -> Any:
    import psycopg

    return psycopg.connect(parts._replace(scheme="postgresql").geturl(), autocommit=True)


def _mysql(url: str, parts: SplitResult) -> Any:
    import pymysql

    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or None,
        charset="utf8mb4",
        autocommit=True,
    )


def translated(url: str, statement: str) -> str:
    """Return a statement, which has ``%s`` and double quotes, in the words of a database."""
    if kind(url) == "sqlite":
        return statement.replace("%s", "?")
    return statement.replace('"', "`") if kind(url) == "mysql" else statement


def names(columns: Iterable[str], table: str = "") -> str:
    """Return columns as a list in a statement."""
    return ", ".join(f'{table}"{name}"' for name in columns)


def places(number: int) -> str:
    """Return parameters as a list in a statement."""
    return ", ".join(["%s"] * number)


class Database:
    """A connection that speaks one SQL to all."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = connect(url)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(translated(self.url, statement), values)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def load(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Store many rows in batches, each of them a transaction."""
        waiting = iter(rows)
        with contextlib.closing(self.connection.cursor()) as cursor:
            while batch := list(itertools.islice(waiting, BATCH)):
                self.run("BEGIN")
                self._load(cursor, table, batch)
                self.run("COMMIT")

    def _load(self, cursor: Any, table: str, batch: list[dict[str, Any]]) -> None:
        columns = list(batch[0])
        if kind(self.url) == "postgresql":
            with cursor.copy(f"COPY {table} ({names(columns)}) FROM STDIN") as copy:
                for row in batch:
                    copy.write_row(list(row.values()))
            return
        statement = f"INSERT INTO {table} ({names(columns)}) VALUES ({places(len(columns))})"
        cursor.executemany(translated(self.url, statement), [list(r.values()) for r in batch])

    def settle(self) -> None:
        """Have the server do what it does after many rows have come."""
        if kind(self.url) == "postgresql":
            self.run("SELECT setval('audits_id_seq', (SELECT max(id) FROM audits))")
            self.run("VACUUM ANALYZE")
        elif kind(self.url) == "mysql":
            self.run("ANALYZE TABLE audits, action_plans")

    def version(self) -> str:
        """Return which server this is."""
        asked = "sqlite_version()" if kind(self.url) == "sqlite" else "version()"
        return str(self.run(f"SELECT {asked}")[0][0])
