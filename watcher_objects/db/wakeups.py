# SPDX-License-Identifier: Apache-2.0
"""Wake-ups: workers learn from the database that there is work, where it can notify them.

Who creates work sends a notification after the commit: inside, it would make all commits that
notify wait for each other. It sends at most one every ``INTERVAL`` seconds; workers that were
woken look again after as long.
"""

import logging
import time
from collections.abc import Iterator

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import statements, transactions
from watcher_objects.db.backend import budget, database

LOG = logging.getLogger(__name__)

#: Seconds between two notifications of a process about the same table.
INTERVAL = 0.05
#: Seconds that a notification may take; it is not needed, only faster.
PATIENCE = 1.0


def announce(table: sa.Table) -> None:
    """Wake the workers that wait for rows of a table, if the database can."""
    source = database.current()
    if not source.backend.notify:
        return
    now = time.monotonic()
    if now - source.announced.get(table.name, -INTERVAL) < INTERVAL:
        return
    source.announced[table.name] = now
    notify = statements.Command(source.backend.notify.format(table.name))
    try:
        with budget.deadline(PATIENCE):
            transactions.run(notify, {})
    except exception.DatabaseError as error:
        LOG.debug("Workers were not woken: %s", error)


def heard(seconds: float) -> Iterator[bool]:
    """Yield, each time that a notification arrives or so many seconds pass, whether one has.

    It has a connection of its own, and ends at once where notifications can't arrive.

    :raises DatabaseError: the connection is lost
    """
    source = database.current()
    if not source.backend.notify:
        return
    with source.checkout() as connection:
        connection.detach()
        driver = connection.connection.dbapi_connection
        if source.backend.listen(driver):
            while True:
                yield source.backend.was_notified(driver, seconds)
