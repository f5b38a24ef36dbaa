# SPDX-License-Identifier: Apache-2.0
"""The choice of the database that a command uses.

The option ``--database`` has precedence over the files of ``--config-file``, and these over the
environment. Without any of them, commands on objects use a database in the user's data folder;
administrative commands fail.
"""

import argparse
import contextlib
import os
import shlex
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import platformdirs
import sqlalchemy as sa
from oslo_config import cfg
from oslo_db.options import database_opts

from watcher_objects import db, exception
from watcher_objects.db import migration
from watcher_objects.db.backend import dialects, urls
from watcher_objects.db.backend.database import UNREADABLE
from watcher_objects.db.migration import revisions
from watcher_objects.transitions import PROFILES

VARIABLE = "WATCHER_OBJECTS_DATABASE"
#: The first bytes of an SQLite file that is not empty.
SQLITE = b"SQLite format 3\0"
CONNECTION = next(option for option in database_opts if option.name == "connection")
#: The options in the section [watcher_objects] that all commands read.
OPTIONS = [
    cfg.StrOpt("transitions", choices=PROFILES, default=PROFILES[0], help="Profile of states."),
    cfg.StrOpt(
        "unreadable",
        choices=UNREADABLE,
        default=UNREADABLE[0],
        help="How lists treat a row that no object can hold.",
    ),
    cfg.BoolOpt("journal", default=True, help="Record transitions in the journal."),
]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a database, and those for its use."""
    help_ = f"sqlite:///FILE, postgresql://... or mysql://...; or set {VARIABLE}"
    parser.add_argument("--database", metavar="URL", help=help_)
    help_ = "a file like /etc/watcher/watcher.conf, whose connection in [database] is used; may be"
    help_ += " repeated, and the last file has precedence"
    parser.add_argument("--config-file", action="append", metavar="FILE", help=help_)
    help_ = "do not record transitions in the journal"
    parser.add_argument("--no-journal", action="store_true", help=help_)


def configuration(app: Any, options: Sequence[cfg.Opt] = ()) -> cfg.ConfigOpts:
    """Return the configuration from the files of ``--config-file``; unknown options are ignored.

    :param options: options in [watcher_objects] in addition to ``OPTIONS``
    :raises Invalid: a file cannot be read, or a value is invalid
    """
    conf = cfg.ConfigOpts()
    groups = {"database": [CONNECTION], "watcher_objects": [*OPTIONS, *options]}
    for group, read in groups.items():
        conf.register_opts(read, group)
    files = app.options.config_file or []
    try:
        conf([], project="watcher", default_config_files=files, default_config_dirs=[])
        for group, read in groups.items():
            for option in read:
                conf[group][option.dest]  # oslo.config validates values on access
    except (cfg.Error, OSError, UnicodeError) as error:
        # Without the cause, which may show a line of the file.
        raise exception.Invalid(f"Invalid configuration: {_problem(error)}") from None
    return conf


def _problem(error: Exception) -> str:
    if isinstance(error, cfg.ConfigFileParseError):
        line = getattr(error.__context__, "lineno", "?")
        return f"{error.config_file} has neither a section nor an option in line {line}"
    if isinstance(error, cfg.NoSuchOptError):
        return "a $ refers to an unknown option; write $$ for a literal $"
    return str(error)


def use(
    app: Any,
    *,
    ready: bool = True,
    may_be_missing: bool = False,
    must_be_named: bool = False,
    **options: Any,
) -> None:
    """Configure the library with the database that the user named, or else the user's own.

    :param ready: require tables at the newest revision
    :param may_be_missing: create an SQLite file that does not exist
    :param must_be_named: do not fall back to the user's own database
    :param options: for :func:`watcher_objects.db.configure`
    :raises WatcherException: the database does not meet these requirements
    """
    conf = configuration(app)
    options = {**{option.dest: conf.watcher_objects[option.dest] for option in OPTIONS}, **options}
    options["journal"] = options["journal"] and not app.options.no_journal
    named, upgrade = _named(app, conf), "db upgrade"
    if named is not None:
        db.configure(named, **options)
    elif app.options.config_file:
        reason = "the configuration has no connection in the section [database]"
        raise exception.DatabaseNotConfigured(f"No database: {reason}")
    elif must_be_named:
        reason = f"name one with --database, --config-file or {VARIABLE}"
        raise exception.DatabaseNotConfigured(f"No database: {reason}")
    else:
        upgrade = f"watcher-objects --database {shlex.quote(_use_own(app, options))} db upgrade"
    _check_file(may_be_missing)
    if ready:
        _check_revision(migration.version(), upgrade)


def _named(app: Any, conf: cfg.ConfigOpts) -> str | None:
    """Return the first database that is named, and reject an empty name."""
    places = {
        "--database": app.options.database,
        # Watcher's may name psycopg2.
        "connection in [database]": conf.database.connection
        and urls.with_driver(conf.database.connection),
        VARIABLE: os.environ.get(VARIABLE),
    }
    for place, named in places.items():
        if named is not None and not named.strip():
            raise exception.DatabaseNotConfigured(f"No database: {place} is empty; name one")
        if named is not None:
            return named
    return None


def _use_own(app: Any, options: dict[str, Any]) -> str:
    """Configure the user's own database, create it if necessary, and return its URL."""
    path = platformdirs.user_data_path("watcher-objects") / "audits.sqlite"
    own = url(path)
    db.configure(own, **options)
    if path.exists():
        return own
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"Cannot create {path.parent}: {error.strerror}"
        raise exception.DatabaseError(reason=reason) from error
    others = f"name another with --database, --config-file or {VARIABLE}"
    app.stderr.write(f"No database was named; created {path}, the default from now on; {others}\n")
    migration.upgrade()
    return own


def url(path: Path) -> str:
    """Return the URL of an SQLite file.

    :raises Invalid: the path cannot be written as a URL
    """
    made = urls.of_file(str(path))
    if sa.make_url(made).database != str(path):
        raise exception.Invalid(f"Path {path} cannot be written as a URL; use another path")
    return made


def _check_file(may_be_missing: bool) -> None:
    """Reject a file that does not exist, which SQLite would create, or that is not SQLite's."""
    engine = db.get_engine()
    if (name := dialects.of(engine).file(engine.url)) is None:
        return
    path = Path(name)
    if not path.exists():
        if not may_be_missing:
            raise exception.DatabaseError(f"File {path} does not exist; run db upgrade")
        return
    if not path.is_file():
        raise exception.DatabaseError(f"{path} is not a file")
    with path.open("rb") as file:
        if file.read(len(SQLITE)) not in (SQLITE, b""):
            raise exception.DatabaseError(f"{path} is not an SQLite database")


def _check_revision(revision: str | None, upgrade: str) -> None:
    newest = migration.history()[-1].revision
    if revision is None:
        problem = f"the database has no tables of this program; run {upgrade}"
    elif why := revisions.unknown_revision(revision):
        problem = why
    elif revision != newest:
        problem = f"revision {newest} is required, not {revision}; run {upgrade}"
    else:
        return
    raise exception.DatabaseError(reason=problem)


def make_file(path: Path, mark: int) -> bool:
    """Create an SQLite file with an application id, and return whether it is new.

    A file with the same id is replaced, together with its log; any other file is left unchanged.

    :raises Conflict: another file exists
    """
    family = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))]
    is_new = not _has_mark(path, mark)
    for member in family:
        if is_new and os.path.lexists(member):
            raise exception.Conflict(f"{member} was not created by the demo; pass another PATH")
        member.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {mark}")
    return is_new


def _has_mark(path: Path, mark: int) -> bool:
    # Read the header directly: SQLite may write to a file that it opens.
    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.read(100)
    return header.startswith(SQLITE) and int.from_bytes(header[68:72]) == mark
