# SPDX-License-Identifier: Apache-2.0
"""The schema's revisions, moved by alembic's own commands."""

import io
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from watcher_objects import exception
from watcher_objects.db import chain, engine, findings, transactions
from watcher_objects.db.chain import Revision as Revision
from watcher_objects.db.chain import config as config
from watcher_objects.db.chain import history as history
from watcher_objects.db.moving import moving, refuse, translated

#: Is told the table, up to which id a step has come, and the last id.
Progress = Callable[[str, int, int], None]


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


def stamp(revision: str) -> None:
    """Say that the configured database's schema is at a revision, and change nothing of it.

    :param revision: a revision's id, ``head`` or ``base``
    :raises InvalidRevision: there is no such revision, its tables are missing, or the database
        is another program's
    """
    _move(_stamp, revision)


def _stamp(made: Config, revision: str) -> None:
    target = chain.script().get_revision(revision)
    if target is not None:
        refuse(chain.lacking(made.attributes["connection"], target.revision))
    command.stamp(made, revision)


def _move(
    way: Callable[[Config, str], None], revision: str, progress: Progress | None = None
) -> None:
    with moving(unfinished=way is not command.upgrade) as connection:
        made = _on(connection)
        if progress is not None:
            made.attributes["progress"] = progress
        way(made, _named(revision))


def _named(revision: Any) -> str:
    if not isinstance(revision, str) or not revision:
        raise exception.InvalidRevision(reason="a revision is named by text")
    return revision


def plan(revision: str = "head", down: bool = False) -> list[Revision]:
    """Return the revisions that :func:`upgrade` or :func:`downgrade` would run, in their order.

    :raises InvalidRevision: as they do
    """
    at, script = _start(down), chain.script()
    with translated():
        if down:
            steps = [*script.iterate_revisions(at, _named(revision), select_for_downgrade=True)]
        else:
            steps = [*script.iterate_revisions(_named(revision), at)][::-1]
    return [Revision.of(step) for step in steps]


def _start(down: bool) -> str:
    """Return the revision that a database is moved from, which has to be ours."""
    with transactions.connected() as connection, translated():
        refuse(chain.trouble(connection, unfinished=down))
        return chain.current(connection) or "base"


def sql(revision: str = "head", down: bool = False) -> str:
    """Return the SQL of an upgrade or downgrade from where the database is, to be run elsewhere.

    On SQLite it is what a run says to a copy of the database. On PostgreSQL and MariaDB it is
    for a database that these revisions made, and has comments in place of what can't be told
    beforehand. A run looks at what is there, leaves out what is not needed, and waits for locks
    shortly and again: neither does a script.

    :param revision: as for them; or on PostgreSQL and MariaDB ``FROM:TO``, for which no
        database is asked where it is
    :raises InvalidRevision: as they do
    """
    way = command.downgrade if down else command.upgrade
    if engine.get_engine().dialect.name == "sqlite":
        return _recorded(way, _named(revision))
    made, written = config(), io.StringIO()
    made.output_buffer = written
    made.attributes["dialect"] = engine.get_engine().dialect.name
    with translated():
        way(made, revision if ":" in _named(revision) else f"{_start(down)}:{revision}", sql=True)
    # A downgrade leaves that table, and it is empty.
    create = "CREATE TABLE "
    return written.getvalue().replace(f"{create}alembic", f"{create}IF NOT EXISTS alembic")


def _recorded(way: Callable[[Config, str], None], revision: str) -> str:
    """Return what a run says to a copy of an SQLite database."""
    _start(down=way is command.downgrade)
    written = ["PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"]

    def note(statement: str) -> None:
        if statement.split(maxsplit=1)[0] not in ("SELECT", "PRAGMA"):
            written.append(statement.strip())

    # Without a name it is in a file, which goes when it is closed.
    copy = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect("", isolation_level=None))
    with transactions.connected() as connection, copy.connect() as other, translated():
        driver: Any = other.connection.driver_connection
        original: Any = connection.connection.driver_connection
        original.backup(driver)
        driver.set_trace_callback(note)
        way(_on(other), revision)
        driver.set_trace_callback(None)
    copy.dispose()
    return ";\n\n".join([*written, "COMMIT", "PRAGMA foreign_keys = ON", ""])


def version() -> str | None:
    """Return the revision of the configured database's schema; None: it has none."""
    with transactions.connected() as connection, translated():
        return chain.current(connection)


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
    with transactions.connected() as connection, translated():
        at, trouble = chain.current(connection), chain.trouble(connection)
    need, newest, advice = findings.Need, history()[-1].revision, "run db upgrade"
    if trouble is not None:
        yield findings.Finding(need.PERSON, trouble, "use the program, or release, that knows it")
    elif at is None:
        yield findings.Finding(need.UPGRADE, "there is no schema of ours", advice)
    elif at != newest:
        yield findings.Finding(need.UPGRADE, f"revision {at} is older than {newest}", advice)


def _on(connection: Any) -> Config:
    made = config()
    made.attributes["connection"] = connection
    return made
