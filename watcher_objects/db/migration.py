# SPDX-License-Identifier: Apache-2.0
"""The schema's revisions, moved by alembic's own commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from watcher_objects import exception
from watcher_objects.db import engine, errors, transactions


def config() -> Config:
    """Return alembic's configuration for the revisions that this library ships."""
    made = Config()
    folder = str(resources.files("watcher_objects.migrations"))
    made.set_main_option("script_location", folder.replace("%", "%%"))
    return made


def upgrade(revision: str = "head") -> None:
    """Bring the configured database's schema up to a revision, in one transaction.

    MariaDB commits each statement of a schema by itself.

    :param revision: a revision's id, ``head``, or a number of steps like ``+1``
    :raises InvalidRevision: there is no such revision, or no way from the schema's to it
    """
    if not isinstance(revision, str) or not revision:
        raise exception.InvalidRevision(reason="a revision is named by text")
    with transactions.transaction(), transactions.connected() as connection, _translated():
        command.upgrade(_on(connection), revision)


def version() -> str | None:
    """Return the revision of the configured database's schema; None: it has none."""
    with transactions.connected() as connection, _translated():
        return MigrationContext.configure(connection).get_current_revision()


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
