# SPDX-License-Identifier: Apache-2.0
"""The schema's revisions, moved by alembic's own commands."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from watcher_objects import exception
from watcher_objects.db import engine, errors, findings, models, transactions

#: Is told the table, up to which id a step has come, and the last id.
Progress = Callable[[str, int, int], None]

# How to become the one who moves this schema: 1 tells that it is granted.
_TRY_LOCK = {
    "postgresql": "SELECT pg_try_advisory_lock(7747611)::integer",
    "mysql": "SELECT GET_LOCK(CONCAT('watcher_objects ', DATABASE()), 0)",
}


def config() -> Config:
    """Return alembic's configuration for the revisions that this library ships."""
    made = Config()
    folder = str(resources.files("watcher_objects.migrations"))
    made.set_main_option("script_location", folder.replace("%", "%%"))
    return made


class Revision(NamedTuple):
    """One revision of the schema, the one that it follows, and what it does."""

    revision: str
    follows: str | None
    what: str


def upgrade(revision: str = "head", progress: Progress | None = None) -> None:
    """Bring the configured database's schema up to a revision.

    :param revision: a revision's id, ``head``, or a number of steps like ``+1``
    :param progress: is told of steps that take long: the table, up to which id it is done, and
        its last id
    :raises InvalidRevision: there is no such revision, or no way from the schema's to it; or
        the database is another program's
    """
    _move(command.upgrade, revision, progress)


def downgrade(revision: str) -> None:
    """Take the configured database's schema down to a revision.

    :param revision: a revision's id, ``base``, or a number of steps like ``-1``
    :raises InvalidRevision: there is no such revision, or no way from the schema's to it
    """
    _move(command.downgrade, revision)


def _move(
    way: Callable[[Config, str], None], revision: str, progress: Progress | None = None
) -> None:
    if not isinstance(revision, str) or not revision:
        raise exception.InvalidRevision(reason="a revision is named by text")
    with moving() as connection:
        made = _on(connection)
        if progress is not None:
            made.attributes["progress"] = progress
        way(made, revision)


@contextmanager
def moving() -> Iterator[sa.Connection]:
    """Lend a connection on which revisions may run, and nobody else's do meanwhile."""
    if transactions.in_transaction():
        raise exception.DatabaseError(reason="a schema is not moved inside a transaction")
    with transactions.connected() as connection, _translated(), _alone(connection):
        _refuse_others(connection)
        yield connection


def _refuse_others(connection: sa.Connection) -> None:
    """Leave a database alone that has no revision, and tables that are not ours."""
    tables = set(sa.inspect(connection).get_table_names())
    if "alembic_version" in tables or not (others := tables - set(models.metadata.tables)):
        return
    told = ", ".join(sorted(others)[:5])
    reason = f"the database has no revision, and tables that are not ours: {told}"
    raise exception.InvalidRevision(reason=reason)


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Let no other upgrade run meanwhile; on SQLite in one transaction."""
    if connection.dialect.name == "sqlite":
        with _one_transaction(connection):
            yield
        return
    try:
        deadline = time.monotonic() + engine.LOCK_TIMEOUT
        # Asked again and again: CREATE INDEX CONCURRENTLY would wait for one that waits.
        while connection.exec_driver_sql(_TRY_LOCK[connection.dialect.name]).scalar() != 1:
            if time.monotonic() > deadline:
                raise exception.DatabaseUnavailable(reason="another upgrade is going on")
            time.sleep(0.2)
        yield
    finally:
        # With the session go its lock, and its timeouts.
        connection.invalidate()


@contextmanager
def _one_transaction(connection: sa.Connection) -> Iterator[None]:
    run = connection.exec_driver_sql
    # A table that is rewritten is dropped for a moment, and others refer to it.
    run("PRAGMA foreign_keys = OFF")
    run("BEGIN IMMEDIATE")
    try:
        yield
        if broken := run("PRAGMA foreign_key_check").first():
            reason = f"row {broken[1]} of {broken[0]} refers to what is not in {broken[2]}"
            raise exception.DatabaseError(reason=reason)
        run("COMMIT")
    except BaseException:
        run("ROLLBACK")
        raise
    finally:
        run("PRAGMA foreign_keys = ON")


def plan(revision: str = "head", down: bool = False) -> list[Revision]:
    """Return the revisions that :func:`upgrade` or :func:`downgrade` would run, in their order."""
    script = ScriptDirectory.from_config(config())
    at = version() or "base"
    with _translated():
        if down:
            steps = [*script.iterate_revisions(at, revision)]
        else:
            steps = [*script.iterate_revisions(revision, at)][::-1]
    return [_told(step) for step in steps]


def sql(revision: str = "head", down: bool = False) -> str:
    """Return the SQL of an upgrade or downgrade from where the database is, for a look at it.

    On PostgreSQL and MariaDB it is what is run on a database like those that these revisions
    make; a run looks at what is there, and leaves out what is not needed. On SQLite it is what
    a run would do to a database that is empty, and else like this one.
    """
    way = command.downgrade if down else command.upgrade
    if engine.get_engine().dialect.name == "sqlite":
        return _recorded(way, revision)
    made, written = config(), io.StringIO()
    made.output_buffer = written
    made.attributes["dialect"] = engine.get_engine().dialect.name
    with _translated():
        way(made, f"{version() or 'base'}:{revision}", sql=True)
    return written.getvalue()


def _recorded(way: Callable[[Config, str], None], revision: str) -> str:
    """Return what a run says to a copy, in memory, of a database without its rows."""
    written: list[str] = []
    with transactions.connected() as connection:
        made = sa.text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        schema = [row.sql for row in connection.execute(made) if "sqlite_" not in row.sql]
    copy = sa.create_engine("sqlite://")
    with copy.connect() as connection, _translated():
        for statement in schema:
            connection.exec_driver_sql(statement)
        if at := version():
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:at)"), {"at": at})

        @sa.event.listens_for(copy, "before_cursor_execute")
        def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if statement.split(maxsplit=1)[0] not in ("SELECT", "PRAGMA"):
                written.append(f"{statement.strip()};\n")

        way(_on(connection), revision)
    return "\n".join(written)


def stamp(revision: str) -> None:
    """Say that the configured database's schema is at a revision, and change nothing of it."""
    _move(command.stamp, revision)


def version() -> str | None:
    """Return the revision of the configured database's schema; None: it has none."""
    with transactions.connected() as connection, _translated():
        return MigrationContext.configure(connection).get_current_revision()


def history() -> list[Revision]:
    """Return all revisions, from the first on."""
    steps = [*ScriptDirectory.from_config(config()).walk_revisions()][::-1]
    return [_told(step) for step in steps]


def _told(step: Any) -> Revision:
    return Revision(step.revision, step.down_revision, step.doc)


def check() -> list[findings.Finding]:
    """Return what is wrong with the configured database; the worst comes first.

    Its revision; its schema beside the models; unique keys that are missing, with the rows in
    the way; rows that no object could hold; rows in a state that there is not. Nothing is
    written. All rows are read.

    :raises DatabaseError, DatabaseUnavailable: it can't be looked at
    """
    found = list(_of_revision())
    if not found:
        found += findings.of_schema()
    found += findings.of_rows()
    return sorted(found, key=lambda finding: -finding.need)


def _of_revision() -> Iterator[findings.Finding]:
    at, known = version(), [step.revision for step in history()]
    need, upgrade = findings.Need, "run db upgrade"
    if at is None:
        yield findings.Finding(need.UPGRADE, "there is no schema of ours", upgrade)
    elif at not in known:
        what = f"revision {at} is of a newer release, or of another program"
        yield findings.Finding(need.PERSON, what, "use the release that knows it")
    elif at != known[-1]:
        what = f"revision {at} is older than {known[-1]}"
        yield findings.Finding(need.UPGRADE, what, upgrade)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with errors.translated(engine.get_engine()):
            yield
    except CommandError as error:
        raise exception.InvalidRevision(reason=str(error)) from error


def _on(connection: Any) -> Config:
    made = config()
    made.attributes["connection"] = connection
    return made
