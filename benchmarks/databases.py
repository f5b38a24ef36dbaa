# SPDX-License-Identifier: Apache-2.0
"""Databases with our schema and the same rows, made and dropped by our environment.

``python -m benchmarks.databases make URL --rows N`` makes one; so do ``drop`` and ``reach``.
"""

import argparse
import contextlib
import sys
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import rows, sql

PREFIX = "wo_bench_"


def place(base: str, name: str) -> str:
    """Return the URL of a database on the server, or in the folder, that a URL means."""
    if sql.kind(base) == "sqlite":
        return f"{base.rstrip('/')}/{PREFIX}{name}.sqlite"
    return urlsplit(base)._replace(path=f"/{PREFIX}{name}").geturl()


def _server(url: str) -> tuple[sql.Database, str]:
    """Return a connection to the server of a database, and the database's name."""
    parts = urlsplit(url)
    name = parts.path.strip("/")
    if not name.startswith(PREFIX):
        sys.exit(f"{name} is none of ours")
    maintenance = "/postgres" if sql.kind(url) == "postgresql" else "/"
    return sql.Database(parts._replace(path=maintenance).geturl()), name


def reach(base: str, **ignored: object) -> None:
    """Connect to a server."""
    if sql.kind(base) != "sqlite":
        _server(place(base, "reach"))


def drop(url: str, **ignored: object) -> None:
    """Drop a database, if it is there."""
    if sql.kind(url) == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(sql.path(url) + suffix).unlink(missing_ok=True)
        return
    server, name = _server(url)
    force = " WITH (FORCE)" if sql.kind(url) == "postgresql" else ""
    server.run(f'DROP DATABASE IF EXISTS "{name}"{force}')


def make(url: str, total: int, shape: str, plain: bool) -> None:
    """Make a database with our schema, and fill it."""
    from watcher_objects import db
    from watcher_objects.db import migration

    drop(url)
    if sql.kind(url) != "sqlite":
        server, name = _server(url)
        server.run(f'CREATE DATABASE "{name}"')
    db.configure(url)
    migration.upgrade()
    db.dispose()
    database = sql.Database(url)
    fill(database, total, shape)
    if plain and sql.kind(url) == "sqlite":
        # The journal is the file's; this is how it is where nobody asks for another.
        database.run("PRAGMA journal_mode = DELETE")


def fill(database: sql.Database, total: int, shape: str) -> None:
    """Store audits, and what they point at."""
    of_audit = rows.SHAPES[shape]
    database.load("goals", map(rows.goal, range(1, rows.RELATED + 1)))
    database.load("strategies", map(rows.strategy, range(1, rows.RELATED + 1)))
    database.load("audits", (of_audit(n, total) for n in rows.numbers(total)))
    if shape == "grown":
        database.load("action_plans", (rows.action_plan(n, n) for n in rows.numbers(total // 5)))
    database.settle()


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("make", "drop", "reach"))
    parser.add_argument("url")
    parser.add_argument("--rows", dest="total", type=int, default=2000)
    parser.add_argument("--shape", choices=rows.SHAPES, default="usual")
    parser.add_argument("--plain", action="store_true", help="SQLite's own journal, not WAL")
    options = vars(parser.parse_args())
    verb, url = options.pop("verb"), options.pop("url")
    {"make": make, "drop": drop, "reach": reach}[verb](url, **options)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
