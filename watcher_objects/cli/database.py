# SPDX-License-Identifier: Apache-2.0
"""The commands ``db ...``, and how any command gets its database."""

import argparse
import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from watcher_objects import db, exception
from watcher_objects.cli.progress import Progress
from watcher_objects.db import chain, migration

VARIABLE = "WATCHER_OBJECTS_DATABASE"
#: What every SQLite file but an empty one begins with.
SQLITE = b"SQLite format 3\0"


def url(given: str | None) -> str | None:
    """Return the URL of the database to use: the one given, else the environment's."""
    return given or os.environ.get(VARIABLE)


def use(
    app: Any,
    *,
    ready: bool = True,
    may_be_missing: bool = False,
    otherwise: str | None = None,
    **options: Any,
) -> None:
    """Configure the library with the database that the user named.

    :param ready: its tables must be there and new enough
    :param may_be_missing: an SQLite file need not be there, and is made then
    :param otherwise: the URL to use where the user named none
    :param options: for :func:`watcher_objects.db.configure`
    :raises WatcherException: none was named, or it is not what is needed
    """
    named = url(app.options.database) or otherwise
    if not named:
        raise exception.DatabaseNotConfigured(
            f"No database: give --database URL or set {VARIABLE}"
        )
    db.configure(named, **options)
    _check_file(may_be_missing)
    if ready:
        _check_revision(migration.version())


def _check_file(may_be_missing: bool) -> None:
    """Refuse a file that SQLite would make when it is opened, or that it could not read."""
    place = db.get_engine().url
    if place.get_backend_name() != "sqlite" or place.database in (None, "", ":memory:"):
        return
    path = Path(str(place.database))
    if not path.exists():
        if not may_be_missing:
            raise exception.DatabaseError(f"There is no file {path}; db upgrade makes it")
        return
    if not path.is_file():
        raise exception.DatabaseError(f"{path} is no file")
    with path.open("rb") as file:
        if file.read(len(SQLITE)) not in (SQLITE, b""):
            raise exception.DatabaseError(f"{path} is no SQLite database")


def _check_revision(revision: str | None) -> None:
    newest = migration.history()[-1].revision
    if revision is None:
        problem = "there are no tables of this program yet; db upgrade makes them"
    elif why := chain.strange(revision):
        problem = why
    elif revision != newest:
        problem = f"revision {newest} is needed, not {revision}; db upgrade goes there"
    else:
        return
    raise exception.DatabaseError(reason=problem)


def make_file(path: Path, mark: int) -> bool:
    """Make an SQLite file with an application id, and tell whether there was none before.

    One with that id is replaced, and what belongs to it; anything else stays as it is.

    :raises Conflict: something else is in the way
    """
    family = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))]
    is_new = not _has_mark(path, mark)
    for member in family:
        if is_new and os.path.lexists(member):
            raise exception.Conflict(f"{member} is not the demo's: left alone; give another PATH")
        member.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {mark}")
    return is_new


def _has_mark(path: Path, mark: int) -> bool:
    # Read from the header itself: SQLite might write to a file that it opens.
    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.read(100)
    return header.startswith(SQLITE) and int.from_bytes(header[68:72]) == mark


class Upgrade(Command):
    """Make the database's tables, or bring them up to a revision."""

    is_down = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        told = "a revision's id, or a number of steps"
        if self.is_down:
            add("--revision", required=True, help=f"{told} like -1, or base")
        else:
            add("--revision", default="head", help=f"{told} like +1; the newest by default")
        add("--sql", action="store_true", help="print the SQL; that of FROM:TO needs no database")
        add("--dry-run", action="store_true", help="list the revisions, and change nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Move the schema, and tell from where to where."""
        only_told = parsed_args.sql or parsed_args.dry_run
        use(self.app, ready=False, may_be_missing=not (only_told or self.is_down))
        write, revision = self.app.stdout.write, parsed_args.revision
        if parsed_args.sql:
            write(migration.sql(revision, self.is_down))
        elif parsed_args.dry_run:
            for step in migration.plan(revision, self.is_down):
                write(f"{step.revision}  {step.what}\n")
        else:
            before = migration.version()
            self._move(revision)
            after = migration.version()
            nothing = " (nothing to do)" if before == after else ""
            write(f"{before or 'no tables'} -> {after or 'no tables'}{nothing}\n")

    def _move(self, revision: str) -> None:
        with Progress(self.app.stderr) as told:
            migration.upgrade(revision, progress=told)


class Downgrade(Upgrade):
    """Take the database's tables down to a revision; what newer ones added is lost."""

    is_down = True

    def _move(self, revision: str) -> None:
        migration.downgrade(revision)


class Stamp(Command):
    """Say that the database's tables are at a revision, and change nothing of them."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("revision", help="a revision's id, head or base")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the revision down."""
        use(self.app, ready=False)
        migration.stamp(parsed_args.revision)


class History(Lister):
    """List the revisions, from the first on."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the revisions."""
        return migration.Revision._fields, migration.history()


class Check(Lister):
    """Tell what is wrong with the database and what to do, reading all of it.

    Exits with 0 where all is right, 1 where an upgrade is needed, and 2 where a person is.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the findings, the worst first."""
        use(self.app, ready=False)
        self.found = migration.check()
        rows = [(finding.need.name.lower(), *finding[1:]) for finding in self.found]
        return ("need", "what", "advice"), rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        super().run(parsed_args)
        return max((finding.need for finding in self.found), default=0)


class Version(ShowOne):
    """Show which revision the database's tables are at, and which is the newest."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the two revisions; that of a database without tables is None."""
        use(self.app, ready=False)
        return ("revision", "newest"), (migration.version(), migration.history()[-1].revision)
