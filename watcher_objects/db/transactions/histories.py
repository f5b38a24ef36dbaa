# SPDX-License-Identifier: Apache-2.0
"""Histories that are ahead of their rows, as after the rows were restored from an older backup.

The number of a row's next transition follows from its column ``moves``. If another program stores
a row again with a lower number, the journal already has a transition with the next one.
"""

import sqlalchemy as sa

from watcher_objects.db import models, transactions

_transitions = models.transitions


def release() -> None:
    """Set ``object_id`` to NULL in all transitions with higher numbers than their rows.

    They remain in the history of the object's uuid.
    """
    for table in models.metadata.sorted_tables:
        if "moves" not in table.columns:
            continue
        number = sa.func.coalesce(table.c.moves, 0)
        is_later = (table.c.id == _transitions.c.object_id, number < _transitions.c.seq)
        later = sa.update(_transitions).where(
            _transitions.c.resource == table.info["resource"], sa.exists().where(*is_later)
        )
        transactions.execute(later.values(object_id=sa.null()))
