# SPDX-License-Identifier: Apache-2.0
"""Queries of a database's system catalog."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

#: An object of a schema, and the table and the column that it depends on.
Use = tuple[str, str, str]


class Catalog:
    """Queries of a database's own tables; ``None`` where there is nothing to ask.

    The defaults are those of a database that keeps text as it is, rolls back every table and
    numbers rows by the highest id.
    """

    #: The encoding of the database, which should be ``UTF8``.
    encoding: sa.Executable | None = None
    #: Each table, and the name of its storage engine.
    storage_engines: str | None = None
    #: Each table and column of text, and the collation of the column.
    collations: str | None = None
    #: The tables and columns whose text is not compared by code point.
    inexact_columns: str | None = None
    #: The tables whose row format an upgrade changes.
    old_row_formats: str | None = None
    #: How many triggers record the transitions of other programs.
    foreign_triggers = """SELECT count(*) FROM information_schema.triggers
        WHERE trigger_schema = current_schema() AND trigger_name LIKE 'record_foreign_%%'"""
    #: Whether the account may not create the triggers that an upgrade needs.
    triggers_forbidden: str | None = None

    def sequence(
        self, table: sa.Table
    ) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]] | None:
        """Return the sequence of a table's ids, and the last id drawn from it (0: none)."""
        return None

    def is_inexact(self, kind: Any) -> bool:
        """Return whether a reflected column does not compare by code point."""
        return False

    def uses(
        self, connection: sa.Connection, columns: Mapping[str, Iterable[str]]
    ) -> Iterable[Use]:
        """Return the objects that depend on columns, and so prevent changes of type, by table.

        A dialect may also return objects that depend on other columns.
        """
        return ()
