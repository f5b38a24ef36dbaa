# SPDX-License-Identifier: Apache-2.0
"""The triggers that record the transitions which other programs make."""

from watcher_objects.db import models, transactions
from watcher_objects.db.backend import database
from watcher_objects.db.migration import revisions
from watcher_objects.db.migration.lock import refuse, translated


def watch_foreign(on: bool) -> None:
    """Start or stop recording the transitions of other programs, by triggers.

    Other programs are Watcher itself, releases of this library without a journal, and SQL
    clients. A row that they remove with DELETE is not recorded. A call that changes nothing is
    allowed.

    :param on: whether to record them
    :raises InvalidRevision: the schema has no journal
    :raises DatabaseError: the account may not create triggers
    """
    backend = database.current().backend
    change = backend.create_foreign_triggers if on else backend.drop_foreign_triggers
    with transactions.connected() as connection, translated():
        at = revisions.current(connection)
        if models.transitions.name in revisions.missing(connection, "head"):
            refuse(f"revision {at} has no journal; run db upgrade")
        for table in models.metadata.sorted_tables:
            if table.info.get("state_machine") is not None:
                names = {"table": table.name, "resource": table.info["resource"]}
                for template in change:
                    connection.exec_driver_sql(template.format(**names))
