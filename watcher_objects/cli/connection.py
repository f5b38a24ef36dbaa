# SPDX-License-Identifier: Apache-2.0
"""Which database a command works on, and whether that can be used.

What goes first is the option ``--database``, then the files of ``--config-file``, then the
environment; who says nothing has a database of their own, in their data folder.
"""

import argparse
import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import platformdirs
import sqlalchemy as sa
from oslo_config import cfg
from oslo_db.options import database_opts

from watcher_objects import db, exception
from watcher_objects.db import chain, migration
from watcher_objects.transitions import PROFILES

VARIABLE = "WATCHER_OBJECTS_DATABASE"
#: What every SQLite file but an empty one begins with.
SQLITE = b"SQLite format 3\0"
CONNECTION = next(option for option in database_opts if option.name == "connection")
#: What all commands read in the section [watcher_objects].
OPTIONS = [
    cfg.StrOpt("transitions", choices=PROFILES, default=PROFILES[0], help="Moves of states."),
]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a user names a database."""
    told = f"sqlite:///FILE, postgresql://... or mysql://...; or set {VARIABLE}"
    parser.add_argument("--database", metavar="URL", help=told)
    told = "a file like /etc/watcher/watcher.conf, of which [database] connection is used; of more"
    told += " than one the last goes first"
    parser.add_argument("--config-file", action="append", metavar="FILE", help=told)


def configuration(app: Any, options: Sequence[cfg.Opt] = ()) -> cfg.ConfigOpts:
    """Return what the files of ``--config-file`` say; what others read there is passed over.

    :param options: what is read in [watcher_objects] besides ``OPTIONS``
    :raises Invalid: a file can't be read, or a value in it can't be used
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
                conf[group][option.dest]  # a value is judged when it is asked for
    except (cfg.Error, OSError, UnicodeError) as error:
        # Without the cause: it may show a line of the file.
        raise exception.Invalid(f"The configuration can't be used: {_problem(error)}") from None
    return conf


def _problem(error: Exception) -> str:
    if isinstance(error, cfg.ConfigFileParseError):
        line = getattr(error.__context__, "lineno", "?")
        return f"{error.config_file} has no sections and options in line {line}"
    if isinstance(error, cfg.NoSuchOptError):
        return "a $ in it names no option; a $ that is meant as such is written $$"
    return str(error)


def use(app: Any, *, ready: bool = True, may_be_missing: bool = False, **options: Any) -> None:
    """Configure the library with the database that the user named.

    :param ready: its tables must be there and new enough
    :param may_be_missing: an SQLite file need not be there, and is made then
    :param options: for :func:`watcher_objects.db.configure`
    :raises WatcherException: it is not what is needed
    """
    conf = configuration(app)
    options = {"transitions": conf.watcher_objects.transitions, **options}
    named = app.options.database or conf.database.connection or os.environ.get(VARIABLE)
    if named:
        db.configure(named, **options)
    elif app.options.config_file:
        reason = "the configuration has no connection in the section [database]"
        raise exception.DatabaseNotConfigured(f"No database: {reason}")
    else:
        _use_own(app, options)
    _check_file(may_be_missing)
    if ready:
        _check_revision(migration.version())


def _use_own(app: Any, options: dict[str, Any]) -> None:
    """Configure the library with the user's own database, which is made where there is none."""
    path = platformdirs.user_data_path("watcher-objects") / "audits.sqlite"
    db.configure(url(path), **options)
    if path.exists():
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{path.parent} can't be made: {error.strerror}"
        raise exception.DatabaseError(reason=reason) from error
    others = f"--database, --config-file and {VARIABLE} name others"
    app.stderr.write(f"No database was named: {path} is made, and used from now on; {others}\n")
    migration.upgrade()


def url(path: Path) -> str:
    """Return the URL of an SQLite file.

    :raises Invalid: it has none
    """
    made = sa.URL.create("sqlite", database=str(path)).render_as_string()
    if sa.make_url(made).database != str(path):
        raise exception.Invalid(f"{path} can't be written as a URL: use another path")
    return made


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
