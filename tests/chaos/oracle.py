# SPDX-License-Identifier: Apache-2.0
"""What has happened to audits, as triggers in the database write it down: the judge's witness.

It is made with SQL of its own, so that a fault of the library can't hide itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

import sqlalchemy as sa

from tests import servers

_TABLE = "chaos_writes"
_SEQUENCE = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgresql": "BIGSERIAL PRIMARY KEY",
    "mysql": "BIGINT AUTO_INCREMENT PRIMARY KEY",
}
_SNAPSHOT = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "mysql": "START TRANSACTION WITH CONSISTENT SNAPSHOT",
}
_VERSION = ("state", "deleted", "deleted_at", "token")
_COLUMNS = ", ".join(f"{side}_{name}" for side in ("old", "new") for name in _VERSION)
_INSERT = (
    f"INSERT INTO {_TABLE} (id, uuid, {_COLUMNS}) VALUES (NEW.id, NEW.uuid, {{old}}, {{new}})"
)
_FUNCTION = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {insert}; RETURN NULL; END $$
"""
_CONFLICTS = """
SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')
"""
_BODY = {
    "sqlite": "BEGIN {insert}; END",
    "postgresql": "EXECUTE FUNCTION {name}()",
    "mysql": "{insert}",
}


class Version(NamedTuple):
    """What one write has made of a row, as far as the life-cycle goes."""

    state: str | None
    deleted: int
    is_dated: bool
    token: str | None


class Write(NamedTuple):
    """One write of a row: the version that it found, None where it made the row, and its own."""

    id: int
    audit: str
    old: Version | None
    new: Version


class Truth(NamedTuple):
    """All writes in their order, and the rows that are there: by uuid, version and type."""

    writes: list[Write]
    rows: dict[str, tuple[Version, str]]


def install(url: str) -> None:
    """Write down every write of an audit from now on; there are no audits then."""
    with closing(servers.admin(url).connect()) as connection:
        run, dialect = connection.exec_driver_sql, connection.dialect.name
        run("DELETE FROM audits")
        run(f"CREATE TABLE {_TABLE} (seq {_SEQUENCE[dialect]}, {_typed()})")
        for event, old in (("INSERT", "NULL, NULL, NULL, NULL"), ("UPDATE", _version("OLD"))):
            name = f"chaos_{event.lower()}"
            insert = _INSERT.format(old=old, new=_version("NEW"))
            if dialect == "postgresql":
                run(_FUNCTION.format(name=name, insert=insert))
            body = _BODY[dialect].format(name=name, insert=insert)
            run(f"CREATE TRIGGER {name} AFTER {event} ON audits FOR EACH ROW {body}")


def remove(url: str) -> None:
    """Take the triggers and what they wrote out of the database again."""
    with closing(servers.admin(url).connect()) as connection:
        for name in ("chaos_insert", "chaos_update"):
            of_table = " ON audits" if connection.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER {name}{of_table}")
            if of_table:
                connection.exec_driver_sql(f"DROP FUNCTION {name}()")
        connection.exec_driver_sql(f"DROP TABLE {_TABLE}")


def read(url: str) -> Truth:
    """Return what was written, and what is there, at one moment."""
    with _reading(url) as connection:
        # Of a writer that was killed, its server may finish a statement meanwhile.
        connection.exec_driver_sql(_SNAPSHOT[connection.dialect.name])
        asked = f"SELECT id, uuid, {_COLUMNS} FROM {_TABLE} ORDER BY seq"
        writes = [_write(*row) for row in connection.exec_driver_sql(asked)]
        now = f"SELECT uuid, audit_type, {_version('audits')} FROM audits"
        rows = {row[0]: (_made(*row[2:]), row[1]) for row in connection.exec_driver_sql(now)}
        return Truth(writes, rows)


def settle(url: str) -> None:
    """Wait until a node of a cluster has what the others have acknowledged."""
    with _reading(url) as connection:
        connection.exec_driver_sql("SELECT 1 FROM audits LIMIT 1").fetchall()


@contextmanager
def _reading(url: str) -> Iterator[sa.Connection]:
    with closing(servers.admin(url).connect()) as connection:
        if connection.dialect.name == "mysql":
            # A node of a cluster may not have yet what another has acknowledged.
            connection.exec_driver_sql("SET SESSION wsrep_sync_wait = 1")
        yield connection


def conflicts(urls: Sequence[str]) -> int:
    """Return how many writes the nodes of a cluster that live have undone for each other's."""
    found = 0
    for url in urls if len(urls) > 1 else ():
        with suppress(sa.exc.OperationalError), closing(servers.admin(url).connect()) as node:
            found += sum(int(number) for _, number in node.exec_driver_sql(_CONFLICTS))
    return found


def _typed() -> str:
    kinds = {"deleted": "INTEGER", "deleted_at": "INTEGER"}
    sides = [f"{name} {kinds.get(name[4:], 'VARCHAR(255)')}" for name in _COLUMNS.split(", ")]
    return ", ".join(("id INTEGER", "uuid VARCHAR(36)", *sides))


def _version(row: str) -> str:
    dated = f"CASE WHEN {row}.deleted_at IS NULL THEN 0 ELSE 1 END"
    return f"{row}.state, {row}.deleted, {dated}, {row}.status_message"


def _write(ident: int, audit: str, *cells: object) -> Write:
    old = None if cells[1] is None else _made(*cells[:4])
    return Write(ident, audit, old, _made(*cells[4:]))


def _made(state, deleted, is_dated, token) -> Version:
    return Version(state, deleted, bool(is_dated), token)
