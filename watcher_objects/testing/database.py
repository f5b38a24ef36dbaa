# SPDX-License-Identifier: Apache-2.0
"""Databases for tests: on SQLite a new file for each test, on a server one that is emptied."""

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from watcher_objects import db
from watcher_objects.db import migration, models, transactions
from watcher_objects.db.backend import dialects, urls
from watcher_objects.db.backend.dialects.sqlite import SQLite


@contextmanager
def databases(
    server: str, folder: Path, name: str, **options: Any
) -> Iterator[Callable[[], AbstractContextManager[str]]]:
    """Yield a function that returns a context manager for an empty, configured database.

    The value of the context manager is the URL of the database, which has the schema and no rows.

    :param server: ``sqlite``, or the URL of a server and an account that may create databases
    :param folder: the folder for SQLite files
    :param name: the name of the database on a server; it is dropped afterwards
    :param options: further arguments of ``db.configure``
    """
    if server == SQLite.name:
        first = folder / "template.sqlite"
        upgraded(f"sqlite:///{first}")
        yield functools.partial(_copied, first.read_bytes(), folder, itertools.count(1), options)
    else:
        with created(server, name) as url:
            yield functools.partial(emptied, upgraded(url), **options)


@contextmanager
def _copied(
    template: bytes, folder: Path, numbers: Iterator[int], options: dict[str, Any]
) -> Iterator[str]:
    path = folder / f"{next(numbers)}.sqlite"
    path.write_bytes(template)
    db.configure(f"sqlite:///{path}", **options)
    sa.event.listen(db.get_engine(), "connect", _hurry)
    try:
        yield f"sqlite:///{path}"
    finally:
        db.dispose()
        path.unlink(missing_ok=True)


def _hurry(connection: Any, record: Any) -> None:
    """Turn off syncs to the disk, since tests need no durability."""
    connection.execute("PRAGMA synchronous = OFF")


@contextmanager
def emptied(url: str, **options: Any) -> Iterator[str]:
    """Configure a database that has the schema, and remove its rows."""
    db.configure(url, **options)
    try:
        empty()
        yield url
    finally:
        db.dispose()


def empty() -> None:
    """Remove all rows of the configured database."""
    tables = models.metadata.sorted_tables[::-1]
    # Most tests write to a few tables only.
    rows = ", ".join(f"EXISTS (SELECT * FROM {table.name})" for table in tables)  # noqa: S608
    with db.transaction(), transactions.connected() as connection:
        has_rows = connection.exec_driver_sql(f"SELECT {rows}").one()
        for table in itertools.compress(tables, has_rows):
            connection.execute(sa.delete(table))


def upgraded(url: str) -> str:
    """Create the schema in a database, and return its URL."""
    db.configure(url)
    migration.upgrade()
    db.dispose()
    return url


@contextmanager
def created(server: sa.URL | str, name: str) -> Iterator[str]:
    """Create a database on a server, yield its URL, and drop it afterwards."""
    with closing(admin(server).connect()) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with closing(admin(server).connect()) as connection:
            connection.exec_driver_sql(dialects.of(connection).drop_database(name))


def admin(url: sa.URL | str) -> sa.Engine:
    """Return an engine that is independent of the library."""
    return sa.create_engine(
        urls.with_driver(url), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )
