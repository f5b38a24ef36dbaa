# SPDX-License-Identifier: Apache-2.0
"""Upgrades and downgrades of the schema, by alembic's commands."""

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import database, dialects
from watcher_objects.db.migration import diagnostics, forecast, foreign, revisions
from watcher_objects.db.migration.foreign import watch_foreign as watch_foreign
from watcher_objects.db.migration.lock import migration_lock, refuse, translated
from watcher_objects.db.migration.repairs import Repairs
from watcher_objects.db.migration.revisions import Revision as Revision
from watcher_objects.db.migration.revisions import config as config
from watcher_objects.db.migration.revisions import history as history

LOG = logging.getLogger(__name__)

#: Gets the table, the id up to which a step has come, and the last id.
Progress = Callable[[str, int, int], None]


def upgrade(revision: str = "head", progress: Progress | None = None) -> None:
    """Upgrade the schema of the configured database to a revision.

    A warning is logged where the database itself is unfit, as by its encoding; see :func:`check`.

    :param revision: a revision's id, ``head``, or a number of steps like ``+1``
    :param progress: called during long steps with the table, the id up to which it is done, and
        its last id
    :raises InvalidRevision: there is no such revision, or no way from the schema's to it; or
        the database is another program's, or something of its owner stands in the way
    """
    for finding in diagnostics.of_server():
        LOG.warning("%s; %s", finding.what, finding.advice)
    _move(command.upgrade, revision, progress)


def downgrade(revision: str) -> None:
    """Downgrade the schema of the configured database to a revision.

    A warning is logged about pickled objects, such as the jobs of Watcher's scheduler, that only
    this library can read.

    :param revision: a revision's id, ``base``, or a number of steps like ``-1``
    :raises InvalidRevision: there is no such revision, or no way from the schema's to it
    """
    for finding in diagnostics.of_pickles():
        LOG.warning("%s; %s", finding.what, finding.advice)
    _move(command.downgrade, revision)


def stamp(revision: str) -> None:
    """Record the revision of the configured database, without changing its schema.

    :param revision: a revision's id, ``head`` or ``base``
    :raises InvalidRevision: there is no such revision, its tables are missing, or the database
        is another program's
    """
    _move(_stamp, revision)


def _stamp(made: Config, revision: str) -> None:
    target = revisions.script().get_revision(revision)
    if target is not None:
        refuse(revisions.missing_tables(made.attributes["connection"], target.revision))
    command.stamp(made, revision)


def _move(
    way: Callable[[Config, str], None], revision: str, progress: Progress | None = None
) -> None:
    with migration_lock(unfinished=way is not command.upgrade) as connection:
        if way is command.upgrade:
            for finding in forecast.obstacles(connection, _pending(connection, revision)):
                refuse(f"{finding.what}: {finding.advice}")
        made = _on(connection)
        if progress is not None:
            made.attributes["progress"] = progress
        way(made, _named(revision))
        if way is command.upgrade:
            foreign.refresh(connection)


def _named(revision: Any) -> str:
    if not isinstance(revision, str) or not revision:
        raise exception.InvalidRevision(reason="a revision is named by text")
    return revision


def plan(revision: str = "head", down: bool = False) -> list[Revision]:
    """Return the revisions that :func:`upgrade` or :func:`downgrade` would run, in order.

    :raises InvalidRevision: as they do
    """
    at, script = _start(down), revisions.script()
    with translated():
        if down:
            steps = [*script.iterate_revisions(at, _named(revision), select_for_downgrade=True)]
        else:
            steps = [*script.iterate_revisions(_named(revision), at)][::-1]
    return [Revision.of(step) for step in steps]


def _pending(connection: sa.Connection, revision: str = "head") -> list[Any]:
    """Return the revisions that an upgrade of a database would run."""
    at = revisions.current(connection) or "base"
    return [*revisions.script().iterate_revisions(_named(revision), at)]


def _start(down: bool) -> str:
    """Return the revision that a database is moved from, which has to be ours."""
    with transactions.connected() as connection, translated():
        refuse(revisions.incompatibility(connection, unfinished=down))
        return revisions.current(connection) or "base"


def sql(revision: str = "head", down: bool = False) -> str:
    """Return the SQL of an upgrade or downgrade from the current revision, to be run elsewhere.

    On SQLite it is what a run says to a copy of the database. On PostgreSQL and MariaDB it is
    for a database that these revisions made, and has comments in place of what cannot be known
    beforehand. A run looks at what is there, leaves out what is not needed, and waits for locks
    shortly and again: neither does a script.

    :param revision: as for them; or on PostgreSQL and MariaDB ``FROM:TO``, for which no
        database is asked where it is
    :raises InvalidRevision: as they do
    """
    way = command.downgrade if down else command.upgrade
    if database.current().backend.records_migrations:
        return _recorded(way, _named(revision))
    made, written = config(), io.StringIO()
    made.output_buffer = written
    made.attributes["dialect"] = database.get_engine().dialect.name
    with translated():
        way(made, revision if ":" in _named(revision) else f"{_start(down)}:{revision}", sql=True)
    # A downgrade leaves that table, and it is empty.
    create = "CREATE TABLE "
    return written.getvalue().replace(f"{create}alembic", f"{create}IF NOT EXISTS alembic")


def _recorded(way: Callable[[Config, str], None], revision: str) -> str:
    """Return what a run says to a copy of the database."""

    def migrate(copy: sa.Connection) -> None:
        way(_on(copy), revision)

    _start(down=way is command.downgrade)
    with transactions.connected() as connection, translated():
        return dialects.of(connection).record_migration(connection, migrate)


def version() -> str | None:
    """Return the revision of the configured database; None if it has no tables."""
    with transactions.connected() as connection, translated():
        return revisions.current(connection)


def check() -> list[diagnostics.Finding]:
    """Return the problems of the configured database, the most severe first.

    Its revision; its schema compared with the models; what an upgrade meets in it; its encoding;
    on MariaDB text that can't be kept or compared exactly, and tables that are not rolled back;
    unique keys that are missing, with the rows in the way; rows that refer to rows that are gone;
    rows that workers have left, and nobody has taken over; rows that no object could hold; rows in
    an unknown state; pickled objects that Watcher alone cannot read. Nothing is written. All rows
    are read.

    :raises DatabaseError, DatabaseUnavailable: it can't be looked at
    """
    found: list[diagnostics.Finding] = []
    steps: list[Any] = []
    with transactions.connected() as connection, translated():
        at, trouble = revisions.current(connection), revisions.incompatibility(connection)
        found += _of_revision(at, trouble)
        if trouble is None and at is not None:
            steps = _pending(connection)
            found += forecast.of_schema(connection, at, steps)
    if not found:
        found += diagnostics.of_schema()
        found += [*diagnostics.of_text(), *diagnostics.of_sequences()]
    found += [
        *diagnostics.of_server(),
        *diagnostics.of_storage(),
        *diagnostics.of_pickles(),
        *diagnostics.of_rows(Repairs(steps)),
    ]
    return sorted(found, key=lambda finding: -finding.need)


def _of_revision(at: str | None, trouble: str | None) -> Iterator[diagnostics.Finding]:
    need, newest, advice = diagnostics.Need, history()[-1].revision, "run db upgrade"
    if trouble is not None:
        yield diagnostics.Finding(
            need.PERSON, trouble, "use the program, or release, that knows it"
        )
    elif at is None:
        yield diagnostics.Finding(need.UPGRADE, "there is no schema of ours", advice)
    elif at != newest:
        yield diagnostics.Finding(need.UPGRADE, f"revision {at} is older than {newest}", advice)


def _on(connection: Any) -> Config:
    made = config()
    made.attributes["connection"] = connection
    return made
