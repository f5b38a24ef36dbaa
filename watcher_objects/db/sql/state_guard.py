# SPDX-License-Identifier: Apache-2.0
"""The rules for writing a row: values, and transitions of its state."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db.backend import database
from watcher_objects.db.sql import expressions, values
from watcher_objects.db.sql.queries import Row, column
from watcher_objects.fields import coercion
from watcher_objects.transitions import DELETED, StateTransitionManager

#: The highest id that a caller may give. A database numbers on after it, and has as many again.
MAX_GIVEN_ID = 2**30
#: Stands in ``worker_id`` for no worker: the row was given back.
NOBODY = 0


#: The rules of the states of a table's rows; None where they have no states.
Rules = type[StateTransitionManager] | None


def rules_of(table: sa.Table) -> Rules:
    """Return the rules of a table's states, in the profile of the current database."""
    rules: Rules = table.info["state_machine"]
    return rules and rules.under(database.get_profile())


def storable(table: sa.Table, given: Mapping[str, Any]) -> Row:
    """Return the values of columns, and of copies of them, as they are bound.

    :raises InvalidValue, UnknownField, InvalidState: it can't be written
    """
    bound = Row()
    for name, value in given.items():
        if isinstance(value, sa.ColumnElement):
            expressions.check(column(table, name), given)
            bound[name] = value
        else:
            bound[name] = values.storable(column(table, name), value)
    states = table.info["state_machine"] and table.info["state_machine"].TRANSITIONS
    if states and "state" in bound and bound["state"] not in states:
        raise exception.InvalidState(state=given["state"], allowed=", ".join(states))
    for copy, name in _copies(table):
        if name in bound:
            bound[copy] = bound[name]
    return bound


def ended_claim(table: sa.Table, new: str) -> Row:
    """Return the columns by which a write of a state ends the claim of a worker.

    A row that is paused is given back without counting the attempt, so that a worker takes it
    over after it has been resumed. A row that is resumed stays given back.
    """
    rules: Rules = table.info["state_machine"]
    if rules is None or rules.RUNNING is None or new == rules.RUNNING:
        return {}
    if new not in rules.paused():
        return {"attempts": None, "worker_id": None, "available_at": None}
    worker, attempts = table.c.worker_id, table.c.attempts
    # MariaDB assigns from left to right.
    return {
        "attempts": sa.case((worker > NOBODY, attempts - 1), else_=attempts),
        "worker_id": sa.case((worker > NOBODY, NOBODY), else_=worker),
    }


@functools.cache
def _copies(table: sa.Table) -> Sequence[tuple[str, str]]:
    return tuple((c.name, c.info["copy_of"]) for c in table.columns if "copy_of" in c.info)


def insertable(table: sa.Table, given: Mapping[str, Any]) -> Row:
    """Return the values of a new row as they are bound; see :func:`storable`."""
    bound = {"deleted": 0, **storable(table, given)}
    bound["created_at"] = bound.get("created_at") or timeutils.utcnow()
    if "moves" in table.columns:
        bound["moves"] = 1
    if not 1 <= bound.get("id", 1) <= MAX_GIVEN_ID:
        raise coercion.refuse("id", bound["id"], f"takes whole numbers from 1 to {MAX_GIVEN_ID}")
    for needed in table.columns:
        if not (needed.nullable or needed.primary_key or needed.name in bound):
            values.storable(needed, None)
    return bound


def marks_of_deletion(table: sa.Table) -> Row:
    """Return the columns that mark a row as soft-deleted."""
    now = timeutils.utcnow()
    marks = {"deleted": table.c.id, "deleted_at": now, "updated_at": now}
    if not table.info["state_machine"]:
        return marks
    return {**marks, "state": DELETED, **ended_claim(table, DELETED)}


def check_move(
    table: sa.Table, row: Row, new: str, with_owner: bool = False, rules: Rules = None
) -> None:
    """Check that a row may change to a state.

    :param rules: those of the table, unless others are given
    :raises InvalidStateTransition: its state does not lead to the new one
    """
    rules = rules or rules_of(table)
    if rules is None:
        return
    allowed = rules.allowed(row, with_owner)
    if new not in allowed and not (rules.SELF_TRANSITIONS and row["state"] == new):
        raise exception.InvalidStateTransition(
            name=table.name, id=row.get("uuid"), initial=row["state"], new=new, allowed=allowed
        )
