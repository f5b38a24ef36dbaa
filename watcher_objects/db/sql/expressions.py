# SPDX-License-Identifier: Apache-2.0
"""Values that the database computes from the row: ``{"value": table.c.value + 1}``.

The three databases compute alike within these limits: MariaDB assigns columns from left to
right, so an expression sees no other column that is written; and since SQLite stores results
that do not fit their columns, those are checked before the commit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from watcher_objects import exception
from watcher_objects.db.sql import values
from watcher_objects.db.statements import column_index
from watcher_objects.fields import coercion


def check(column: sa.Column[Any], given: Mapping[str, Any]) -> None:
    """Check that the expression that is given for a column can be written.

    :raises InvalidValue: it cannot
    """
    name, value = column.name, given[column.name]
    if "json" in column.info:
        raise coercion.refuse(name, value, "is a JSON document and takes no expression")
    if name == "state" and column.table.info["state_machine"]:
        raise coercion.refuse(name, value, "takes the name of a state and no expression")
    for part in visitors.iterate(value):
        if isinstance(part, sa.Column) and part.table is not column.table:
            raise coercion.refuse(name, value, f"takes columns of {column.table.name} only")
        if isinstance(part, sa.Column) and part.name in given.keys() - {name}:
            rule = f"takes no expression with {part.name}, which is written, too"
            raise coercion.refuse(name, value, rule)
        if isinstance(part, sa.SelectBase) or getattr(part, "expanding", False):
            raise coercion.refuse(name, value, "takes no subqueries and no lists of values")


def checked(table: sa.Table, names: Sequence[str], write: Callable[[], Any]) -> Any:
    """Make a write, in a transaction, and check that columns can hold what was computed for them.

    :param write: returns the row as ``cells``, or None where there is none
    :raises InvalidValue: one cannot
    """
    try:
        done = write()
    except exception.DatabaseError as error:
        if type(error) is not exception.DatabaseError:
            raise
        allowed = f"takes no expression that the database rejects ({error.kwargs['reason']})"
        field = ", ".join(names)
        raise exception.InvalidValue(field=field, allowed=allowed, kind="one") from error
    for name in names if done is not None else ():
        values.storable(table.columns[name], done.cells[column_index(table, name)])
    return done
