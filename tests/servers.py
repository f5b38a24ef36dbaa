# SPDX-License-Identifier: Apache-2.0
"""Databases that tests make, also on the servers that they find."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from watcher_objects.testing.database import admin as admin
from watcher_objects.testing.database import created as created

SERVERS = {
    "postgresql": os.environ.get(
        "WATCHER_OBJECTS_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1/postgres"
    ),
    "mariadb": os.environ.get("WATCHER_OBJECTS_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1/"),
}
KINDS = ("sqlite", *SERVERS)
#: The second driver of MariaDB, for the tests of the contract.
MYSQLCLIENT = "mysqlclient"
SCRATCH = f"watcher_objects_test_{os.getpid()}"


def missing(message: str, more: str = "") -> NoReturn:
    """Skip a test for want of a server or a program, or fail it in CI, which has them all."""
    if os.environ.get("CI") == "true":
        pytest.fail(message + more)
    pytest.skip(message)


def require(name: str) -> None:
    """Skip a test if there is no server of a kind; in CI there must be one."""
    place = sa.make_url(SERVERS[name])
    try:
        admin(place).connect().close()
    except sa.exc.OperationalError as error:
        shown = place.render_as_string(hide_password=True)
        missing(f"no {name} server at {shown}", f": {error.orig}")


@contextmanager
def scratch(name: str, folder: Path, suffix: str = "") -> Iterator[str]:
    """Yield the URL of a new database in a folder or on a server, which must be there in CI."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'audits.sqlite'}"
        return
    if name == MYSQLCLIENT:
        with _through_mysqlclient(folder, suffix) as url:
            yield url
        return
    require(name)
    with created(SERVERS[name], SCRATCH + suffix) as url:
        yield url


@contextmanager
def _through_mysqlclient(folder: Path, suffix: str) -> Iterator[str]:
    """Yield the URL of a new database on MariaDB with the second driver, which CI must have."""
    if importlib.util.find_spec("MySQLdb") is None:
        missing("mysqlclient is not installed")
    with scratch("mariadb", folder, f"{suffix}_{MYSQLCLIENT}") as url:
        place = sa.make_url(url).set(drivername="mysql+mysqldb")
        yield place.render_as_string(hide_password=False)


#: What a password is in tests that look for it in messages.
CANARY = "c4n4ry"
UNREACHABLE = (
    f"postgresql://u:{CANARY}@127.0.0.1:1/x",
    f"mysql://u:{CANARY}@127.0.0.1:1/x",
    f"postgresql://u@127.0.0.1:1/x?password={CANARY}",
)


@contextmanager
def account(url: str, may: str = "SELECT") -> Iterator[str]:
    """Yield a database's URL for an account that may do this to all its tables, and no more."""
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


def main() -> None:
    """Run a command with the URL of a new database of a kind in its environment."""
    kind, *command = sys.argv[1:]
    try:
        with scratch({"mysql": "mariadb"}.get(kind, kind), Path.cwd()) as url:
            known = {**os.environ, "WATCHER_OBJECTS_DATABASE": url}
            done = subprocess.run(command, env=known, check=False)  # noqa: S603 - the caller's
            raise SystemExit(done.returncode)
    except pytest.skip.Exception as skipped:
        print(skipped)


if __name__ == "__main__":
    main()
