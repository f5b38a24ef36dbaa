# SPDX-License-Identifier: Apache-2.0
"""How alembic runs here: on the connection that it is handed, or on one of its own.

:mod:`watcher_objects.db.migration` hands over a connection for that. The plain
``alembic`` command gets the database of ``WATCHER_OBJECTS_DATABASE``.
"""

import os
import warnings
from typing import Any

from alembic import context
from alembic.util import CommandError
from watcher_objects.migrations import data, session, steps  # type: ignore[import-not-found]

from watcher_objects import db
from watcher_objects.db import models
from watcher_objects.db.migration.lock import migration_lock


def _run(connection: Any = None) -> None:
    attributes = context.config.attributes
    context.configure(
        connection=connection,
        dialect_name=attributes.get("dialect"),
        literal_binds=connection is None,
        target_metadata=models.metadata,
        render_as_batch=True,
        transactional_ddl=False,
        steps=steps,
        data=data,
        progress=attributes.get("progress", lambda *progress: None),
    )
    if connection is None:
        session.begin_script(context.get_context())
    else:
        session.begin(connection)
    with warnings.catch_warnings():
        # Where SQLite's tables are rewritten: SQLAlchemy 1.3 made a check, without a name, of each
        # boolean; and indexes of expressions are created again from their own text.
        warnings.filterwarnings("ignore", "Unnamed CHECK constraint")
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based")
        context.run_migrations()


if (handed := context.config.attributes.get("connection")) is not None:
    _run(handed)
elif context.is_offline_mode() and "dialect" in context.config.attributes:
    _run()
elif "WATCHER_OBJECTS_DATABASE" not in os.environ:
    raise CommandError("say which database: WATCHER_OBJECTS_DATABASE=sqlite:///FILE alembic ...")
else:
    db.configure(os.environ["WATCHER_OBJECTS_DATABASE"])
    with migration_lock() as own:
        _run(own)
