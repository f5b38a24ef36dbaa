# SPDX-License-Identifier: Apache-2.0
"""The differences between databases: one class for each database and driver.

:class:`~watcher_objects.db.backend.dialects.base.Backend` documents each difference. ``sqlite``,
``postgresql`` and ``mariadb`` override them; ``pysqlite``, ``psycopg``, ``pymysql`` and
``mysqldb`` import the drivers and subclass their connections.
"""

from typing import Any

import sqlalchemy as sa

from watcher_objects.db.backend.dialects.base import Backend
from watcher_objects.db.backend.dialects.mariadb import MariaDB, MySQLClient
from watcher_objects.db.backend.dialects.postgresql import PostgreSQL
from watcher_objects.db.backend.dialects.sqlite import SQLite

#: The backends by the names that SQLAlchemy has for their drivers.
BACKENDS: dict[str, Backend] = {
    "pysqlite": SQLite(),
    "psycopg": PostgreSQL(),
    "pymysql": MariaDB(),
    "mysqldb": MySQLClient(),
}
# What a statement is shown by, which no database is asked for.
_STANDARD = Backend()


def of(source: Any) -> Backend:
    """Return the backend of an engine, a connection, a compiler or a dialect of SQLAlchemy."""
    return BACKENDS.get(getattr(source, "dialect", source).driver, _STANDARD)


def of_url(url: sa.URL) -> Backend:
    """Return the backend of a database whose URL names a supported driver."""
    return BACKENDS[url.get_driver_name()]
