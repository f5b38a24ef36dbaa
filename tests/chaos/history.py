# SPDX-License-Identifier: Apache-2.0
"""What processes log of their calls, and what triggers record in the database.

Each call that writes stores its token in the row (``status_message``), so that a write can be
traced to the one call that made it. The triggers use SQL of their own: a fault of the library
cannot hide itself.
"""

import collections
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from tests import servers

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"
READS = ("list", "refresh")


@dataclass
class Call:
    """A call that a worker began; ``to`` is the state that it requested, if any."""

    token: str
    op: str
    audit: str
    to: str | None
    result: str = UNKNOWN
    error: str = ""


class Event(NamedTuple):
    """An event that a worker's subscriber received."""

    kind: str
    audit: str
    token: str | None
    old: str | None


class Sight(NamedTuple):
    """An audit as a worker read it."""

    audit: str
    token: str | None
    state: str


@dataclass
class History:
    """All that the workers of a run have logged; what each of them read is a list.

    :ivar leases: the leases that a process got, as worker, audit and token, in order
    :ivar fences: the worker and the token of the lease through which a call writes
    """

    calls: dict[str, Call] = field(default_factory=dict)
    retries: int = 0
    events: list[Event] = field(default_factory=list)
    sights: list[list[Sight]] = field(default_factory=list)
    leases: list[list[tuple[int, str, int]]] = field(default_factory=list)
    fences: dict[str, tuple[int, int]] = field(default_factory=dict)


class Log:
    """The file in which a worker logs its calls, before and after each."""

    def __init__(self, path: Path) -> None:
        self._name, self._calls = path.stem, 0
        # Unbuffered: what was passed to the system is kept when the process is killed.
        self._file = path.open("wb", buffering=0)

    def begin(self, op: str, audit: str, to: str | None = None) -> str:
        """Log a call that is about to be made, and return its token."""
        self._calls += 1
        token = f"{self._name}.{self._calls}"
        self.add("call", token, op, audit, to)
        return token

    def end(self, token: str, result: str, error: BaseException | None = None) -> None:
        """Log how a call has ended: ``ok``, ``fail`` or ``unknown``."""
        self.add("end", token, result, f"{type(error).__name__}: {error}" if error else "")

    def add(self, kind: str, *values: str | int | None) -> None:
        """Log a ``retry``, an ``event``, a ``sight``, a ``lease`` or a ``fence``."""
        self._file.write(json.dumps([kind, *values]).encode() + b"\n")


def load(folder: Path) -> History:
    """Return what all logs of a folder contain."""
    history = History()
    for path in sorted(folder.glob("*.log")):
        sights: list[Sight] = []
        history.sights.append(sights)
        leases: list[tuple[int, str, int]] = []
        history.leases.append(leases)
        # A process that is killed while it writes leaves a part of a line.
        for line in path.read_bytes().rpartition(b"\n")[0].splitlines():
            match json.loads(line):
                case "call", token, *values:
                    history.calls[token] = Call(token, *values)
                case "end", token, result, error:
                    history.calls[token].result = result
                    history.calls[token].error = error
                case ["retry"]:
                    history.retries += 1
                case "event", *values:
                    history.events.append(Event(*values))
                case "lease", worker, audit, moves:
                    leases.append((worker, audit, moves))
                case "fence", token, worker, moves:
                    history.fences[token] = worker, moves
                case "sight", *values:
                    sights.append(Sight(*values))
    return history


class Version(NamedTuple):
    """What one write has made of a row, as far as the life-cycle goes."""

    state: str | None
    deleted: int
    is_dated: bool
    token: str | None
    moves: int | None
    worker: int | None
    attempts: int | None


class Write(NamedTuple):
    """One write of a row: the version that it replaced, None where it created the row.

    :ivar alive_for: seconds for which the worker that had claimed the row was still alive
    """

    id: int
    audit: str
    alive_for: float | None
    old: Version | None
    new: Version


class Records(NamedTuple):
    """What is stored.

    All writes in their order; the rows that exist, by uuid: version and type; and what the journal
    has of each in the order of its numbers: number, old and new state.
    """

    writes: list[Write]
    rows: dict[str, tuple[Version, str]]
    journal: dict[str, list[tuple[int, str | None, str | None]]]


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
_JOURNAL = (
    "SELECT object_uuid, seq, from_state, to_state FROM transitions"
    " WHERE resource = 'audit' ORDER BY object_uuid, seq"
)
_TYPES = {
    "state": "VARCHAR(255)",
    "deleted": "INTEGER",
    "deleted_at": "INTEGER",
    "token": "VARCHAR(255)",
    "moves": "BIGINT",
    "worker": "BIGINT",
    "attempts": "INTEGER",
}
_COLUMNS = ", ".join(f"{side}_{name}" for side in ("old", "new") for name in _TYPES)
_INSERT = (
    f"INSERT INTO {_TABLE} (id, uuid, alive_for, {_COLUMNS})"
    " VALUES (NEW.id, NEW.uuid, {alive_for}, {old}, {new})"
)
_ALIVE_FOR = {
    "sqlite": "(julianday(alive_until) - julianday('now')) * 86400",
    "postgresql": "extract(epoch FROM alive_until - timezone('utc', clock_timestamp()))",
    "mysql": "TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), alive_until) / 1e6",
}
_FUNCTION = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {insert}; RETURN NULL; END $$
"""
_BODY = {
    "sqlite": "BEGIN {insert}; END",
    "postgresql": "EXECUTE FUNCTION {name}()",
    "mysql": "{insert}",
}
_CONFLICTS = """
SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')
"""


def install(url: str) -> None:
    """Delete all audits, and record every write of one from now on."""
    kinds = [f"{side}_{name} {kind}" for side in ("old", "new") for name, kind in _TYPES.items()]
    with closing(servers.admin(url).connect()) as connection:
        run, dialect = connection.exec_driver_sql, connection.dialect.name
        run("DELETE FROM audits")
        run("DELETE FROM transitions")
        columns = ("id INTEGER", "uuid VARCHAR(36)", "alive_for DOUBLE PRECISION", *kinds)
        run(f"CREATE TABLE {_TABLE} (seq {_SEQUENCE[dialect]}, {', '.join(columns)})")
        alive_for = f"(SELECT {_ALIVE_FOR[dialect]} FROM workers WHERE id = OLD.worker_id)"
        nothing = ", ".join(["NULL"] * len(_TYPES))
        for event, *replaced in (
            ("INSERT", "NULL", nothing),
            ("UPDATE", alive_for, _version("OLD")),
        ):
            name = f"chaos_{event.lower()}"
            insert = _INSERT.format(alive_for=replaced[0], old=replaced[1], new=_version("NEW"))
            if dialect == "postgresql":
                run(_FUNCTION.format(name=name, insert=insert))
            body = _BODY[dialect].format(name=name, insert=insert)
            run(f"CREATE TRIGGER {name} AFTER {event} ON audits FOR EACH ROW {body}")


def remove(url: str) -> None:
    """Remove the triggers and their table."""
    with closing(servers.admin(url).connect()) as connection:
        for name in ("chaos_insert", "chaos_update"):
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"DROP FUNCTION {name} CASCADE")
            else:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql(f"DROP TABLE {_TABLE}")


def read(url: str) -> Records:
    """Return what was written, and what is stored, at one moment."""
    with _reading(url) as connection:
        # A server may finish a statement of a writer that was killed.
        connection.exec_driver_sql(_SNAPSHOT[connection.dialect.name])
        found = connection.exec_driver_sql(
            f"SELECT id, uuid, alive_for, {_COLUMNS} FROM {_TABLE} ORDER BY seq"
        )
        size = len(_TYPES)
        writes = [
            Write(*row, None if old[1] is None else _made(old), _made(new))
            for *row, old, new in (
                (*cells[:3], cells[3 : 3 + size], cells[3 + size :]) for cells in found
            )
        ]
        now = f"SELECT uuid, audit_type, {_version('audits')} FROM audits"
        found = connection.exec_driver_sql(now)
        rows = {uuid: (_made(cells), kind) for uuid, kind, *cells in found}
        journal = collections.defaultdict(list)
        for uuid, *step in connection.exec_driver_sql(_JOURNAL):
            journal[uuid].append(tuple(step))
        return Records(writes, rows, journal)


def await_replication(url: str) -> None:
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
    """Return how many writes the running nodes of a cluster have aborted for each other's."""
    found = 0
    for url in urls if len(urls) > 1 else ():
        with suppress(sa.exc.OperationalError), closing(servers.admin(url).connect()) as node:
            found += sum(int(number) for _, number in node.exec_driver_sql(_CONFLICTS))
    return found


def _version(row: str) -> str:
    dated = f"CASE WHEN {row}.deleted_at IS NULL THEN 0 ELSE 1 END"
    claim = ", ".join(f"{row}.{name}" for name in ("moves", "worker_id", "attempts"))
    return f"{row}.state, {row}.deleted, {dated}, {row}.status_message, {claim}"


def _made(cells: Sequence) -> Version:
    state, deleted, is_dated, *rest = cells
    return Version(state, deleted, bool(is_dated), *rest)
