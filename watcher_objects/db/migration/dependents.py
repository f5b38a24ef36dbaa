# SPDX-License-Identifier: Apache-2.0
"""What of a database's owner depends on columns whose types an upgrade changes.

PostgreSQL changes no type of a column that a view uses. MariaDB resolves the columns of a view
when it is read, but keeps those of a generated column. SQLite's tables are written anew.
"""

import collections
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from watcher_objects.db import models
from watcher_objects.db.backend import dialects


def of_changed_columns(connection: sa.Connection) -> Mapping[str, list[str]]:
    """Return what depends on columns of other types than the models', and on which of them."""
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
