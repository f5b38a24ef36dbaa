# SPDX-License-Identifier: Apache-2.0
"""What an upgrade will meet in a database: what it changes, and what would stop it."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects.db import models
from watcher_objects.db.backend import dialects
from watcher_objects.db.migration import dependents, revisions
from watcher_objects.db.migration.diagnostics import Finding, Need


def obstacles(connection: sa.Connection, steps: Sequence[Any]) -> Iterator[Finding]:
    """Yield what stops an upgrade by these revisions, so that nothing need be changed before."""
    if not any(getattr(step.module, "changes_types", False) for step in steps):
        return
    forbidden = dialects.of(connection).catalog.triggers_forbidden
    if forbidden and connection.exec_driver_sql(forbidden).scalar():
        told = "this account may create no triggers, since there is a binary log"
        remedy = "set log_bin_trust_function_creators = ON, on each node of a cluster, and upgrade"
        yield Finding(Need.PERSON, told, remedy)
    for what, columns in dependents.of_changed_columns(connection).items():
        told = f"{what} uses {', '.join(columns)}, whose type db upgrade changes"
        yield Finding(Need.PERSON, told, "drop it, run db upgrade, and create it again")


def of_schema(
    connection: sa.Connection, at: str | None, steps: Sequence[Any]
) -> Iterator[Finding]:
    """Yield what an upgrade from a revision, by the ones after it, meets in the schema."""
    yield from obstacles(connection, steps)
    for name in sorted(revisions.missing(connection, at) if at else ()):
        yield Finding(
            Need.UPGRADE, f"the table {name} is missing", "run db upgrade; it creates it"
        )
    if query := dialects.of(connection).catalog.old_row_formats:
        old = connection.exec_driver_sql(query).scalars()
        if names := sorted(models.metadata.tables.keys() & set(old)):
            told = f"the row format is Compact or Redundant of {', '.join(names)}"
            yield Finding(Need.UPGRADE, told, "run db upgrade; it writes these tables anew")
