# SPDX-License-Identifier: Apache-2.0
"""Databases for tests: a new file for each test on SQLite, and one that is emptied on a server."""

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from watcher_objects import db
from watcher_objects.db import migration, models, transactions

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_DRIVERS["mariadb"] = _DRIVERS["mysql"]


@contextmanager
def databases(
    server: str, folder: Path, name: str, **options: Any
) -> Iterator[Callable[[], AbstractContextManager[str]]]:
    """Lend a function that lends the URL of a configured database with our schema and no rows.

    :param server: ``sqlite``, or the URL of a server and an account that may create databases
    :param folder: where to keep SQLite's files
    :param name: of the database on a server; it is dropped afterwards
    :param options: of ``db.configure``, beside the URL
    """
    if server == "sqlite":
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
    """Let a new connection not wait for the disk: no test outlives a power cut."""
    connection.execute("PRAGMA synchronous = OFF")


@contextmanager
def emptied(url: str, **options: Any) -> Iterator[str]:
    """Configure a database that has our schema and whose rows are no loss."""
    db.configure(url, **options)
    try:
        empty()
        yield url
    finally:
        db.dispose()


def empty() -> None:
    """Remove all rows of the configured database."""
    with db.transaction(), transactions.connected() as connection:
        for table in reversed(models.metadata.sorted_tables):
            connection.execute(sa.delete(table))


def upgraded(url: str) -> str:
    """Return the URL of a database, which is given our schema."""
    db.configure(url)
    migration.upgrade()
    db.dispose()
    return url


@contextmanager
def created(server: sa.URL | str, name: str) -> Iterator[str]:
    """Lend the URL of a new database on a server, and drop it afterwards."""
    with closing(admin(server).connect()) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with closing(admin(server).connect()) as connection:
            force = " WITH (FORCE)" if connection.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")


def admin(url: sa.URL | str) -> sa.Engine:
    """Return an engine that has nothing to do with the library's."""
    place = sa.make_url(url)
    place = place.set(drivername=_DRIVERS.get(place.get_backend_name(), place.drivername))
    return sa.create_engine(place, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
