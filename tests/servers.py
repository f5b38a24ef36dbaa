# SPDX-License-Identifier: Apache-2.0
"""The database servers that tests use where they find them."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

SERVERS = {
    "postgresql": os.environ.get(
        "WATCHER_OBJECTS_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1/postgres"
    ),
    "mariadb": os.environ.get("WATCHER_OBJECTS_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1/"),
}
SCRATCH = f"watcher_objects_test_{os.getpid()}"


def _admin(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def scratch(name: str) -> Iterator[str]:
    """Yield the URL of a new database on a server; a missing server is an error in CI."""
    url = sa.make_url(SERVERS[name])
    try:
        with closing(_admin(url).connect()) as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {SCRATCH}")
    except sa.exc.OperationalError as error:
        message = f"no {name} server at {url.render_as_string(hide_password=True)}"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{message}: {error.orig}")
        pytest.skip(message)
    yield url.set(database=SCRATCH).render_as_string(hide_password=False)
    with closing(_admin(url).connect()) as connection:
        force = " WITH (FORCE)" if name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {SCRATCH}{force}")
