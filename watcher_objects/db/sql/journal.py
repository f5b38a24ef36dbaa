# SPDX-License-Identifier: Apache-2.0
"""The journal: a row for each transition, written in the transaction of the transition itself.

A row with a state counts the writes of its state in its column ``moves``: what a write makes of
that is the number of its transition. The number is drawn under the lock of the row, so that of
one object no two transitions have the same, and none is missing.
"""

import functools
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import models, transactions
from watcher_objects.db.backend import database
from watcher_objects.db.sql.queries import MANY, Key, Row, identity_conditions

_reason: ContextVar[str | None] = ContextVar("reason", default=None)
_table = models.transitions


class Entry(NamedTuple):
    """The journal entry of a call for all rows that it writes: who, from where, how and why."""

    #: How a state was written: ``create``, ``save``, ``delete`` or ``destroy``.
    kind: str
    #: A uuid of the call, by which its transitions are found if the database's answer is lost.
    call: str
    host: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    request_id: str | None = None
    reason: str | None = None


#: The names under which the old state and an entry are bound.
_NAMES = tuple(f"entry_{name}" for name in ("from_state", *Entry._fields))


@contextmanager
def because(reason: str | None) -> Iterator[None]:
    """Set the reason that the journal records for transitions inside the block.

    It applies to this thread or task; of nested blocks the inner one counts.

    :param reason: any text, which is truncated to 255 characters; None for no reason
    """
    token = _reason.set(_fitted.__wrapped__(reason))
    try:
        yield
    finally:
        _reason.reset(token)


def current_reason() -> str | None:
    """Return the reason that :func:`because` has given."""
    return _reason.get()


def entry(table: sa.Table, context: Any, kind: str) -> Entry | None:
    """Return the journal entry of a call; None if nothing is recorded.

    :param context: the caller's; None is nobody
    """
    if table.info["state_machine"] is None or not database.current().journal:
        return None
    who = [getattr(context, name, None) for name in ("user_id", "project_id", "request_id")]
    try:
        user, project, request = _fitted(who[0]), _fitted(who[1]), _fitted(who[2])
    except TypeError:
        # What is of an odd type may not be hashable.
        user, project, request = map(_fitted.__wrapped__, who)
    return Entry(kind, _uuid(), _host(), user, project, request, _reason.get())


@functools.cache
def _host() -> str:
    return exception.storable_text(socket.gethostname())


def _uuid() -> str:
    """Return a random uuid in a fifth of the time that the standard library takes."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


@functools.lru_cache(maxsize=1024, typed=True)
def _fitted(text: Any) -> str | None:
    """Return a text that its column can hold: the journal makes no transition fail."""
    return None if text is None else exception.storable_text(text)


def counted(table: sa.Table, names: Sequence[str]) -> dict[str, Any]:
    """Return the counter that an UPDATE increments; nothing if it does not write the state."""
    if "state" not in names or "moves" not in table.columns:
        return {}
    before = sa.func.coalesce(table.c.moves, sa.literal_column("0"))
    return {"moves": before + sa.literal_column("1")}


def record(
    table: sa.Table, rows: sa.FromClause, conditions: Sequence[sa.ColumnElement[bool]] = ()
) -> sa.Insert:
    """Return the statement that records the transitions of rows that have just been written.

    What it names is bound by :func:`values`.

    :param rows: the table, or what was returned of it
    """
    kinds = [_table.columns[name].type for name in ("from_state", *Entry._fields)]
    bound = [sa.bindparam(n, type_=kind) for n, kind in zip(_NAMES, kinds, strict=True)]
    named = dict(zip(("from_state", *Entry._fields), bound, strict=True))
    of_row = {
        "resource": sa.literal_column(f"'{table.info['resource']}'"),
        "object_id": rows.c.id,
        "object_uuid": rows.c.uuid,
        "seq": rows.c.moves,
        "to_state": rows.c.state,
        "at": sa.func.coalesce(rows.c.updated_at, rows.c.created_at),
    }
    columns = {**of_row, **named}
    return sa.insert(_table).from_select(
        [*columns], sa.select(*columns.values()).where(*conditions), include_defaults=False
    )


def record_of(table: sa.Table, names: Sequence[str], prefix: str = "") -> sa.Insert:
    """Return the same for the row with a key of these columns, bound as in a SELECT.

    :param prefix: what follows the word INSERT
    """
    return record(table, table, _of_row(table, names)).prefix_with(prefix)


def _of_row(table: sa.Table, names: Sequence[str]) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions on the row with a key of these columns."""
    key = {name: sa.bindparam(name, type_=table.columns[name].type) for name in names}
    return identity_conditions(table, key, show_deleted=True)


def release(table: sa.Table, names: Sequence[str]) -> sa.Update:
    """Return the statement that takes the id of a new row from the history of an earlier one.

    :param names: the columns of a key of the new row, which are bound as in a SELECT
    """
    ident = sa.select(table.c.id).where(*_of_row(table, names))
    return _released(table, ident.scalar_subquery())


def release_taken(table: sa.Table, names: Sequence[str]) -> sa.Update:
    """Return the statement that does so for a row whose next number is taken.

    It is taken only if an earlier row had the id, which the database has given again to a row
    that another program has stored, or if the row was restored. The parameters are those of
    :func:`release`.
    """
    row = sa.select(table.c.id).where(*_of_row(table, names))
    is_other = table.c.uuid.is_distinct_from(_table.c.object_uuid)
    is_taken = table.c.moves <= _table.c.seq
    of_earlier = row.where(sa.or_(is_other, is_taken)).correlate(_table)
    return _released(table, row.scalar_subquery()).where(of_earlier.exists())


def _of_ids(table: sa.Table, idents: Sequence[Any]) -> Sequence[sa.ColumnElement[bool]]:
    return _table.c.resource == table.info["resource"], _table.c.object_id.in_(idents)


def _released(table: sa.Table, *idents: Any) -> sa.Update:
    return sa.update(_table).where(*_of_ids(table, idents)).values(object_id=sa.null())


def release_many(table: sa.Table, entry: Entry | None, idents: Sequence[int]) -> None:
    """Take ids from the history of rows that had them, and are gone."""
    if entry is not None and table.info["state_machine"] is not None and idents:
        transactions.execute(_released(table, *idents))


def _release_others(table: sa.Table, rows: Sequence[Row]) -> None:
    """Take the ids of rows from the history of others, if another program has stored them."""
    for begin in range(0, len(rows), MANY):
        some = rows[begin : begin + MANY]
        others = _table.c.object_uuid.not_in([row["uuid"] for row in some])
        transactions.execute(_released(table, *(row["id"] for row in some)).where(others))


def forget(table: sa.Table, idents: Sequence[int]) -> None:
    """Remove the history of the rows that no longer exist."""
    there = sa.select(table.c.id).where(table.c.id.in_(idents))
    gone = _table.c.object_id.not_in(there)
    transactions.execute(sa.delete(_table).where(*_of_ids(table, idents), gone))


def values(entry: Entry, from_state: str | None) -> dict[str, Any]:
    """Return the values for the statement of :func:`record`."""
    return dict(zip(_NAMES, (from_state, *entry), strict=True))


def record_many(
    table: sa.Table, entry: Entry | None, moved: Sequence[tuple[str | None, Row]]
) -> None:
    """Record the transitions of several rows.

    :param moved: the state that each row left, and the row as it is now
    """
    if entry is None or not moved:
        return
    if database.current().backend.reuses_ids:
        _release_others(table, [row for state, row in moved if state is not None])
    recorded = [
        {
            "resource": table.info["resource"],
            "object_id": row["id"],
            "object_uuid": row["uuid"],
            "seq": row["moves"],
            "from_state": from_state,
            "to_state": row["state"],
            "at": row["updated_at"] or row["created_at"],
            **entry._asdict(),
        }
        for from_state, row in moved
    ]
    # RETURNING makes SQLAlchemy insert them in few statements.
    transactions.execute(sa.insert(_table).returning(_table.c.id), recorded)


def is_last(table: sa.Table, entry: Entry) -> sa.ColumnElement[bool]:
    """Return the condition on rows whose last transition a call has made."""
    of_row = (_table.c.object_id == table.c.id, _table.c.seq == table.c.moves)
    of_call = (_table.c.resource == table.info["resource"], _table.c.call == entry.call)
    return sa.exists().where(*of_row, *of_call)


def find(table: sa.Table, entry: Entry, key: Key) -> Mapping[str, Any] | None:
    """Return the transition of a row by a call, or None.

    :param key: the key of the row; by its uuid it is found also if it has been destroyed
    """
    if key.keys() == {"uuid"}:
        of_row = _table.c.object_uuid == key["uuid"]
    else:
        rows = sa.select(table.c.id).where(*identity_conditions(table, key, show_deleted=True))
        of_row = _table.c.object_id.in_(rows)
    of_call = (_table.c.resource == table.info["resource"], _table.c.call == entry.call)
    found = sa.select(_table).where(*of_call, of_row)
    for row in transactions.execute(found).rows:
        return row._mapping
    return None
