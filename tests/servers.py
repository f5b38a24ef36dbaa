# SPDX-License-Identifier: Apache-2.0
"""Databases that tests make, also on the servers that they find."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from watcher_objects import db
from watcher_objects.db import migration

SERVERS = {
    "postgresql": os.environ.get(
        "WATCHER_OBJECTS_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1/postgres"
    ),
    "mariadb": os.environ.get("WATCHER_OBJECTS_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1/"),
}
KINDS = ("sqlite", *SERVERS)
SCRATCH = f"watcher_objects_test_{os.getpid()}"


def missing(message: str, more: str = "") -> NoReturn:
    """Skip a test for want of a server or a program, or let it fail in CI, which has them all."""
    if os.environ.get("CI") == "true":
        pytest.fail(message + more)
    pytest.skip(message)


_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_DRIVERS["mariadb"] = _DRIVERS["mysql"]


def admin(url: sa.URL | str) -> sa.Engine:
    """Return an engine that has nothing to do with the library's."""
    place = sa.make_url(url)
    place = place.set(drivername=_DRIVERS.get(place.get_backend_name(), place.drivername))
    return sa.create_engine(place, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


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


def upgraded(empty: str) -> str:
    """Return the URL of a database, which is given our schema."""
    db.configure(empty)
    migration.upgrade()
    db.dispose()
    return empty


@contextmanager
def scratch(name: str, folder: Path, suffix: str = "") -> Iterator[str]:
    """Lend the URL of a new database in a folder or on a server, which must be there in CI."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'audits.sqlite'}"
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(created(SERVERS[name], SCRATCH + suffix))
        except sa.exc.OperationalError as error:
            place = sa.make_url(SERVERS[name]).render_as_string(hide_password=True)
            missing(f"no {name} server at {place}", f": {error.orig}")
        yield url


#: What a password is in tests that look for it in messages.
CANARY = "c4n4ry"
UNREACHABLE = (
    f"postgresql://u:{CANARY}@127.0.0.1:1/x",
    f"mysql://u:{CANARY}@127.0.0.1:1/x",
    f"postgresql://u@127.0.0.1:1/x?password={CANARY}",
)


@contextmanager
def account(url: str, may: str = "SELECT") -> Iterator[str]:
    """Lend a database's URL for an account that may do this to all its tables, and no more."""
    place, name = sa.make_url(url), f"account_{os.getpid()}"
    password, grants = "WITH PASSWORD", [f"{may} ON ALL TABLES IN SCHEMA public"]
    if place.get_backend_name() == "mysql":
        password, grants = "IDENTIFIED BY", [f"{may} ON {place.database}.*"]
    elif "INSERT" in may:
        grants.append("USAGE ON ALL SEQUENCES IN SCHEMA public")
    with closing(admin(place).connect()) as connection:
        connection.exec_driver_sql(f"CREATE USER {name} {password} '{CANARY}'")
        try:
            for grant in grants:
                connection.exec_driver_sql(f"GRANT {grant} TO {name}")
            seen = place.set(username=name, password=CANARY)
            yield seen.render_as_string(hide_password=False)
        finally:
            if place.get_backend_name() == "postgresql":
                connection.exec_driver_sql(f"DROP OWNED BY {name}")
            connection.exec_driver_sql(f"DROP USER {name}")
