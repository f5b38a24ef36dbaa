# SPDX-License-Identifier: Apache-2.0
"""The chain of revisions, and the position of a database in it."""

from collections.abc import Iterable, Set
from importlib import resources
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from watcher_objects.db import models
from watcher_objects.db.migration import cluster

#: The table that holds the revision.
VERSION = "alembic_version"


class Revision(NamedTuple):
    """One revision of the schema, the one that it follows, and what it does."""

    revision: str
    follows: str | None
    what: str

    @classmethod
    def of(cls, step: Any) -> "Revision":
        """Return what alembic's own object of a revision says."""
        return cls(step.revision, step.down_revision, step.doc)


def config() -> Config:
    """Return alembic's configuration for the revisions that this library ships."""
    made = Config()
    folder = str(resources.files("watcher_objects.migrations"))
    made.set_main_option("script_location", folder.replace("%", "%%"))
    return made


def script() -> ScriptDirectory:
    """Return alembic's view of the revisions."""
    return ScriptDirectory.from_config(config())


def history() -> list[Revision]:
    """Return all revisions, from the first on."""
    return [Revision.of(step) for step in script().walk_revisions()][::-1]


def current(connection: sa.Connection) -> str | None:
    """Return the revision of a database; None: it has none. A program may have several."""
    return ", ".join(MigrationContext.configure(connection).get_current_heads()) or None


def unknown_revision(revision: str) -> str | None:
    """Return the problem of a revision that is not in this chain, or None."""
    if revision in {step.revision for step in history()}:
        return None
    return f"revision {revision} is of a newer release, or of another program"


def incompatibility(connection: sa.Connection, unfinished: bool = False) -> str | None:
    """Return why a database can't be upgraded or downgraded by this chain, or None.

    :param unfinished: its own tables may be missing, as in a downgrade that was interrupted
    """
    at, tables = current(connection), _tables(connection)
    others = tables - models.metadata.tables.keys()
    if at is None:
        what = "the database has no revision, and tables that are not ours"
        return f"{what}: {_some(others)}" if others else None
    if why := unknown_revision(at):
        return why
    return None if unfinished and not others else missing_tables(connection, at)


def missing_tables(connection: sa.Connection, revision: str) -> str | None:
    """Return which of a revision's tables are missing that no later one restores; None: none."""
    later = script().iterate_revisions("head", revision)
    if not (gone := missing(connection, revision) - _named(later, "restores")):
        return None
    what = f"at revision {revision} there are tables that are missing here"
    return f"{what}: {_some(gone)}; maybe the database is another program's"


def missing(connection: sa.Connection, revision: str) -> Set[str]:
    """Return the tables that are there at a revision, and not in a database."""
    return _named(script().iterate_revisions(revision, "base"), "creates") - _tables(connection)


def _named(steps: Iterable[Any], what: str) -> Set[str]:
    return {name for step in steps for name in getattr(step.module, what, ())}


def _tables(connection: sa.Connection) -> Set[str]:
    return set(sa.inspect(connection).get_table_names()) - {VERSION, cluster.TABLE}


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])
