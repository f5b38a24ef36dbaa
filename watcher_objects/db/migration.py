# SPDX-License-Identifier: Apache-2.0
"""The schema's revisions, moved by alembic's own commands."""

from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from watcher_objects.db import engine, transactions


def config() -> Config:
    """Return alembic's configuration for the revisions that this library ships."""
    made = Config()
    folder = str(resources.files("watcher_objects.migrations"))
    made.set_main_option("script_location", folder.replace("%", "%%"))
    return made


def upgrade(revision: str = "head") -> None:
    """Bring the configured database's schema up to a revision, in one transaction.

    MariaDB commits each statement of a schema by itself.
    """
    with transactions.transaction() as connection:
        command.upgrade(_on(connection), revision)


def version() -> str | None:
    """Return the revision of the configured database's schema; None: it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _on(connection: Any) -> Config:
    made = config()
    made.attributes["connection"] = connection
    return made
