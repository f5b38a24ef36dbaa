# SPDX-License-Identifier: Apache-2.0
"""Databases that tests make, also on the servers that they find."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

SERVERS = {
    "postgresql": os.environ.get(
        "WATCHER_OBJECTS_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1/postgres"
    ),
    "mariadb": os.environ.get("WATCHER_OBJECTS_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1/"),
}
KINDS = ("sqlite", *SERVERS)
SCRATCH = f"watcher_objects_test_{os.getpid()}"


def _admin(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


@contextmanager
def scratch(name: str, folder: Path, suffix: str = "") -> Iterator[str]:
    """Lend the URL of a new database in a folder or on a server, which must be there in CI."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'audits.sqlite'}"
        return
    made, url = SCRATCH + suffix, sa.make_url(SERVERS[name])
    try:
        with closing(_admin(url).connect()) as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {made}")
    except sa.exc.OperationalError as error:
        message = f"no {name} server at {url.render_as_string(hide_password=True)}"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{message}: {error.orig}")
        pytest.skip(message)
    yield url.set(database=made).render_as_string(hide_password=False)
    with closing(_admin(url).connect()) as connection:
        force = " WITH (FORCE)" if name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {made}{force}")


#: What a password is in tests that look for it in messages.
CANARY = "c4n4ry"
UNREACHABLE = (
    f"postgresql://u:{CANARY}@127.0.0.1:1/x",
    f"mysql://u:{CANARY}@127.0.0.1:1/x",
    f"postgresql://u@127.0.0.1:1/x?password={CANARY}",
)


@contextmanager
def reader(url: str) -> Iterator[str]:
    """Lend a database's URL for an account that may read all its tables, and do nothing else."""
    place, account = sa.make_url(url), f"reader_{os.getpid()}"
    password, grant = "WITH PASSWORD", f"SELECT ON ALL TABLES IN SCHEMA public TO {account}"
    if place.get_backend_name() == "mysql":
        password, grant = "IDENTIFIED BY", f"SELECT ON {place.database}.* TO {account}"
    with closing(_admin(place).connect()) as connection:
        connection.exec_driver_sql(f"CREATE USER {account} {password} '{CANARY}'")
        try:
            connection.exec_driver_sql(f"GRANT {grant}")
            seen = place.set(username=account, password=CANARY)
            yield seen.render_as_string(hide_password=False)
        finally:
            if place.get_backend_name() == "postgresql":
                connection.exec_driver_sql(f"DROP OWNED BY {account}")
            connection.exec_driver_sql(f"DROP USER {account}")
