# SPDX-License-Identifier: Apache-2.0
"""The triggers that record the transitions which other programs make."""

import functools
import importlib

import sqlalchemy as sa

from watcher_objects.db import models
from watcher_objects.db.backend import dialects
from watcher_objects.db.migration import revisions
from watcher_objects.db.migration.lock import migration_lock, refuse


def watch_foreign(on: bool) -> None:
    """Start or stop recording the transitions of other programs, by triggers.

    Other programs are Watcher itself, releases of this library without a journal, and SQL
    clients. A row that they remove with DELETE is not recorded. A call that changes nothing is
    allowed. As a step of an upgrade it waits for a lock for a second at a time, so that writers
    of a table are not blocked for longer, and excludes upgrades.

    :param on: whether to record them
    :raises InvalidRevision: the schema is not of the newest revision
    :raises DatabaseError: the account may not create triggers
    """
    with migration_lock() as connection:
        if revisions.missing(connection, "head"):
            refuse(f"revision {revisions.current(connection)} is too old; run db upgrade")
        _switch(connection, on)


def refresh(connection: sa.Connection) -> None:
    """Create the triggers again, if they are there: an older revision had others."""
    query = dialects.of(connection).catalog.foreign_triggers
    if not revisions.missing(connection, "head") and connection.exec_driver_sql(query).scalar():
        _switch(connection, on=True)


def _switch(connection: sa.Connection, on: bool) -> None:
    backend = dialects.of(connection)
    change = backend.create_foreign_triggers if on else backend.drop_foreign_triggers
    session = importlib.import_module("watcher_objects.migrations.session")
    session.begin(connection)
    for table in models.metadata.sorted_tables:
        if table.info.get("state_machine") is not None:
            names = {"table": table.name, "resource": table.info["resource"]}
            for template in change:
                statement = template.format(**names)
                run = functools.partial(connection.exec_driver_sql, statement)
                session.insist(table.name, run)
