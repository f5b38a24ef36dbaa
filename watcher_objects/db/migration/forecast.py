# SPDX-License-Identifier: Apache-2.0
"""A forecast of an upgrade: what it changes in a database, and what would stop it."""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects.db import models
from watcher_objects.db.backend import dialects
from watcher_objects.db.migration import revisions
from watcher_objects.db.migration.diagnostics import Finding, Need


def users_of_changed_columns(connection: sa.Connection) -> Mapping[str, list[str]]:
    """Return what depends on columns of other types than the models', and on which of them.

    PostgreSQL changes no type of a column that a view uses. MariaDB resolves the columns of a view
    when it is read, but keeps those of a generated column. SQLite's tables are written anew.
    """
    changed = _changed(connection)
    found = collections.defaultdict(list)
    for what, table, column in dialects.of(connection).catalog.uses(connection, changed):
        if column in changed.get(table, ()):
            found[what].append(f"{table}.{column}")
    return {what: sorted(set(columns)) for what, columns in sorted(found.items())}


def _changed(connection: sa.Connection) -> Mapping[str, set[str]]:
    """Return the columns, by their tables, whose types or collations are not the models'."""
    inspector, changed = sa.inspect(connection), {}
    inexact = set()
    if query := dialects.of(connection).catalog.inexact_columns:
        inexact = {tuple(row) for row in connection.exec_driver_sql(query)}
    for table in models.metadata.sorted_tables:
        if inspector.has_table(table.name):
            changed[table.name] = {
                column["name"]
                for column in inspector.get_columns(table.name)
                if (table.name, column["name"]) in inexact
                or _differs(connection.dialect, table.columns.get(column["name"]), column["type"])
            }
    return changed


def _differs(dialect: sa.Dialect, wanted: sa.Column[Any] | None, found: Any) -> bool:
    if wanted is None:
        return False
    if dialects.of(dialect).catalog.is_inexact(found):
        return True
    if isinstance(wanted.type, sa.Integer | sa.Boolean) and isinstance(found, sa.Integer):
        return False
    # What comes after the first word is a collation.
    kinds = (kind.compile(dialect=dialect).split()[0] for kind in (wanted.type, found))
    return len(set(kinds)) > 1


def obstacles(connection: sa.Connection, steps: Sequence[Any]) -> Iterator[Finding]:
    """Yield what stops an upgrade by these revisions, so that nothing need be changed before."""
    if not any(getattr(step.module, "changes_types", False) for step in steps):
        return
    forbidden = dialects.of(connection).catalog.triggers_forbidden
    if forbidden and connection.exec_driver_sql(forbidden).scalar():
        problem = "this account may create no triggers, since there is a binary log"
        remedy = "set log_bin_trust_function_creators = ON, on each node of a cluster, and upgrade"
        yield Finding(Need.PERSON, problem, remedy)
    for what, columns in users_of_changed_columns(connection).items():
        problem = f"{what} uses {', '.join(columns)}, whose type db upgrade changes"
        yield Finding(Need.PERSON, problem, "drop it, run db upgrade, and create it again")


def of_schema(
    connection: sa.Connection, at: str | None, steps: Sequence[Any]
) -> Iterator[Finding]:
    """Yield the parts of the schema that an upgrade from a revision repairs or rejects."""
    yield from obstacles(connection, steps)
    for name in sorted(revisions.missing(connection, at) if at else ()):
        yield Finding(
            Need.UPGRADE, f"the table {name} is missing", "run db upgrade; it creates it"
        )
    if query := dialects.of(connection).catalog.old_row_formats:
        old = connection.exec_driver_sql(query).scalars()
        if names := sorted(models.metadata.tables.keys() & set(old)):
            problem = f"the row format is Compact or Redundant of {', '.join(names)}"
            yield Finding(Need.UPGRADE, problem, "run db upgrade; it writes these tables anew")
