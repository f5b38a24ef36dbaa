# SPDX-License-Identifier: Apache-2.0
"""The commands of ``watcher-db-manage`` by the revisions of this library."""

from watcher_objects import exception
from watcher_objects.db import migration


def upgrade(revision: str | None = None) -> None:
    """Upgrade the schema to a revision, by default the newest."""
    migration.upgrade(revision or "head")


def downgrade(revision: str | None = None) -> None:
    """Downgrade the schema to a revision, by default to an empty database."""
    migration.downgrade(revision or "base")


def version() -> str | None:
    """Return the revision of the schema."""
    return migration.version()


def stamp(revision: str | None = None) -> None:
    """Record the revision of the schema, by default the newest."""
    migration.stamp(revision or "head")


def create_schema() -> None:
    """Create the schema in an empty database."""
    migration.upgrade()


def revision(message: str | None = None, autogenerate: bool = False) -> None:
    """Refuse to write a revision of Watcher's.

    :raises UnsupportedError: always
    """
    raise exception.UnsupportedError("Revisions of Watcher are written without watcher_objects")
