# SPDX-License-Identifier: Apache-2.0
"""Rows for every table of a schema at any revision, and what has become of them."""

import datetime

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from watcher_objects import db
from watcher_objects.db import migration, models

MOMENT = datetime.datetime(2026, 11, 23, 20, 28, 41)
#: The newest revision.
HEAD = migration.history()[-1].revision
#: The newest revision of Watcher's own.
FOREIGN_HEAD = "f56ba02662b4"
TEXT = "café 😀"

#: The text of a server that is not compared by code point.
INEXACT = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = {schema} AND data_type IN ('character varying', {texts})
AND coalesce(collation_name, '') <> '{exact}' AND table_name <> 'alembic_version'
"""
SERVERS = {
    "postgresql": {"schema": "'public'", "texts": "'text'", "exact": "C"},
    "mysql": {
        "schema": "database()",
        "texts": "'varchar', 'text', 'mediumtext', 'longtext'",
        "exact": "utf8mb4_nopad_bin",
    },
}


def differences():
    """Between the schema and the models; none where it is at the newest revision."""
    with db.get_engine().connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        found = compare_metadata(context, models.metadata)
        if server := SERVERS.get(connection.dialect.name):
            found += connection.exec_driver_sql(INEXACT.format(**server)).fetchall()
        return found


def run(statement):
    with db.get_engine().connect() as connection:
        result = connection.execute(statement)
        return result.fetchall() if result.returns_rows else []


def tables():
    """The tables as they are now, owners first."""
    metadata = sa.MetaData()
    metadata.reflect(db.get_engine())
    return [t for t in metadata.sorted_tables if t.name != "alembic_version"]


def value_of(table, column, number):
    known = models.metadata.tables[table.name].columns[column.name]
    if column.foreign_keys:
        return 1
    if "json" in known.info:
        return f'{{"a": [1, "{TEXT}"]}}'
    if column.name == "interval":
        return 3600 if isinstance(column.type, sa.Integer) else "3600"
    if isinstance(known.type, sa.String):
        return f"{TEXT} {number}"[: known.type.length]
    kinds = {sa.DateTime: MOMENT, sa.LargeBinary: b"\x00\xff", sa.Boolean: True}
    return next((value for kind, value in kinds.items() if isinstance(known.type, kind)), 7)


def fill(table, numbers=(1, 2, 3)):
    """Store a row with all that there can be, one with nothing that need be, a deleted one."""
    for number in numbers:
        row = {c.name: value_of(table, c, number) for c in table.columns}
        row |= {"id": number, "deleted": 0, "deleted_at": None}
        if number == 2:
            row |= {c.name: None for c in table.columns if c.nullable}
        if number == 3:
            row |= {"deleted": 3, "deleted_at": MOMENT}
        row[key_of(table)] = (
            number if isinstance(table.c[key_of(table)].type, sa.Integer) else str(number)
        )
        run(sa.insert(table).values({c.name: row[c.name] for c in table.columns}))


def filled(revision=FOREIGN_HEAD, names=None, numbers=(1, 2, 3)):
    """Upgrade the configured database to a revision, and fill its tables, or those named."""
    migration.upgrade(revision)
    for table in tables():
        if names is None or table.name in names:
            fill(table, numbers)


def normal(table, name, row):
    """Return a value as a repaired database holds it; None of an audit's name is any."""
    value = row[name]
    if name == "deleted" and value is None:
        return 0 if row["deleted_at"] is None else row["id"]
    if table == "audits" and name == "interval":
        return None if value is None else str(value)
    if name == "global_efficacy" and value is not None and value.startswith("{"):
        return f"[{value}]"
    if name == "force":
        return bool(value)
    if name in ("value", "data"):
        value = row.get("data") if row.get("data") is not None else row["value"]
        return None if value is None else float(value)
    return value


def key_of(table):
    """The name of the column that is a table's primary key: a number, or text."""
    (key,) = table.primary_key
    return key.name


def contents():
    output = {}
    for table in tables():
        for found in run(sa.select(table)):
            row = dict(found._mapping)
            output[table.name, str(row[key_of(table)])] = {
                n: normal(table.name, n, row) for n in row
            }
    return output


def same(before, after):
    """Return whether what both have is the same."""
    for key in before.keys() & after.keys():
        for name in before[key].keys() & after[key].keys():
            if (key[0], name) == ("audits", "name") and None in (
                before[key][name],
                after[key][name],
            ):
                continue
            assert before[key][name] == after[key][name], (key, name)
