# SPDX-License-Identifier: Apache-2.0
"""The steps that correct the contents of rows: in batches, and repeatable."""

import datetime
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import REGCLASS

from . import session, steps

#: The longest name, and what is kept of it when something is appended.
NAME = 63
#: The index in which names are looked for while audits are renamed.
_INDEX = "audits__renamed"

_audits = sa.table(
    "audits",
    *map(sa.column, ("id", "uuid", "deleted", "goal_id", "strategy_id")),
    sa.column("name", sa.String(NAME)),
    sa.column("created_at", sa.DateTime()),
)
_goals = sa.table("goals", sa.column("id"), sa.column("name"))
_strategies = sa.table("strategies", sa.column("id"), sa.column("name"))


def fill(table: str, column: str, value: Any) -> None:
    """Put a value where there is none."""
    empty = sa.table(table, sa.column(column))
    update = sa.update(empty).values({column: sa.literal(value)})
    session.in_batches(table, update, empty.c[column].is_(None))


def copy_missing(table: str, target: str, source: str) -> None:
    """Copy the second of two columns to the first, or the first to the second if that is NULL."""
    row = sa.table(table, sa.column(target), sa.column(source))
    said = sa.func.coalesce(row.c[source], row.c[target])
    differs = sa.or_(row.c[target].is_distinct_from(said), row.c[source].is_distinct_from(said))
    session.in_batches(table, sa.update(row).values({target: said, source: said}), differs)


def mark_deleted(table: str) -> None:
    """Let every row say whether it is deleted: its id if it has a time of that, else 0."""
    row = sa.table(table, *map(sa.column, ("id", "deleted", "deleted_at")))
    mark = sa.case((row.c.deleted_at.is_(None), sa.literal(0)), else_=row.c.id)
    session.in_batches(table, sa.update(row).values(deleted=mark), row.c.deleted.is_(None))


def clear_zero_dates(table: str, *names: str) -> None:
    """Store NULL for MariaDB's dates of no year, month or day, which are no times."""
    if session.dialect() != "mysql":
        return
    rows = sa.table(table, *map(sa.column, names))
    parts = (sa.func.month, sa.func.dayofmonth)
    zero = {n: sa.or_(*(part(rows.c[n]) == 0 for part in parts)) for n in names}
    fresh = {n: sa.case((zero[n], sa.null()), else_=rows.c[n]) for n in names}
    session.in_batches(table, sa.update(rows).values(fresh), sa.or_(*zero.values()))


def wrap_objects(table: str, column: str) -> None:
    """Store a list where a document is a single JSON object: of that one, of none for ``{}``."""
    row = sa.table(table, sa.column(column, sa.Text()))
    text = sa.func.trim(row.c[column])
    is_empty = sa.func.replace(text, " ", "") == "{}"
    wrapped = sa.case((is_empty, sa.literal("[]")), else_=sa.literal("[") + text + sa.literal("]"))
    update = sa.update(row).values({column: wrapped})
    session.in_batches(table, update, text.like("{%"))


def advance_sequence(table: str) -> None:
    """Move PostgreSQL's sequence of ids to the highest id, where rows were copied with theirs."""
    if session.dialect() != "postgresql":
        return
    rows = sa.table(table, sa.column("id"))
    newest = sa.func.max(rows.c.id)
    sequence = sa.func.pg_get_serial_sequence(table, "id")
    drawn = sa.func.pg_sequence_last_value(sa.cast(sequence, REGCLASS))
    is_behind = newest > sa.func.coalesce(drawn, 0)
    op.execute(sa.select(sa.func.setval(sequence, newest)).having(is_behind))


def name_audits() -> None:
    """Name the audits that have none: by their strategy, or else their goal, and their time."""
    if session.leave_out("naming audits that have no name"):
        return
    owner = sa.func.coalesce(_strategies.c.name, _goals.c.name, "audit").label("owner")
    source = _audits.outerjoin(_strategies, _strategies.c.id == _audits.c.strategy_id).outerjoin(
        _goals, _goals.c.id == _audits.c.goal_id
    )
    unnamed = sa.select(_audits, owner).select_from(source).where(_audits.c.name.is_(None))

    def wanted(row: Any) -> tuple[str, str]:
        # A zero date of MariaDB is text.
        is_time = isinstance(row.created_at, datetime.datetime)
        return row.owner, f"{row.created_at:%Y-%m-%dT%H:%M:%S}" if is_time else "unknown"

    def try_it() -> bool:
        for _ in _renamed(unnamed, unnamed, wanted):
            pass
        return op.get_bind().execute(unnamed.limit(1)).first() is None

    _until_done("audits", try_it, session.DUPLICATE)


def require(table: str, column: str, kind: Any, value: Any) -> None:
    """Put a value where there is none, until the column can be NOT NULL."""

    def try_it() -> bool:
        fill(table, column, value)
        steps.require(table, column, kind)
        return True

    _until_done(table, try_it, session.HAS_NULL)


def create_name_key() -> None:
    """Make the names of audits that are not deleted unique.

    Of several with one name the oldest keeps it; the ids of the others are appended to theirs.
    """

    def try_it() -> bool:
        _part_names()
        steps.create_unique("uniq_audits0name", "audits", "name", "deleted")
        return True

    _until_done("audits", try_it, session.DUPLICATE)


def _until_done(table: str, try_it: Callable[[], bool], refused: Collection[Any]) -> None:
    """Correct rows and add a constraint, again where somebody has stored another row since.

    :param try_it: returns whether all rows are correct
    """
    for _ in range(session.TRIES):
        try:
            if try_it():
                return
        except Exception as error:
            # The library's engine wraps the errors of the driver in its own way.
            if not session.has_code(error, refused):
                raise
    raise session.still_wrong(table)


def _part_names() -> None:
    if session.leave_out("parting audits that share a name, which the next statement refuses"):
        return
    key = (_audits.c.name, _audits.c.deleted)
    named = sa.select(*key).where(_audits.c.name.is_not(None)).group_by(*key)
    same = _audits.alias()
    alike = (same.c.name == _audits.c.name, same.c.deleted == _audits.c.deleted)
    oldest = sa.select(sa.func.min(same.c.id)).where(*alike).scalar_subquery()
    younger = sa.select(_audits).where(_audits.c.id > oldest)
    some = named.having(sa.func.count() > 1)
    for row, new in _renamed(some, younger, lambda row: (row.name, str(row.id))):
        message = "audit %s shared its name %r, and is %r now"
        session.LOG.warning(message, row.uuid, row.name, new)


def _renamed(
    some: sa.Select[Any], query: sa.Select[Any], wanted: Callable[[Any], tuple[str, str]]
) -> Iterator[tuple[Any, str]]:
    """Give audits names with an end of their own; yield what they were, and their new names.

    :param some: finds something, without an index, if the query for the audits does
    :param wanted: returns the new name of an audit, and the suffix of it that must be kept
    """
    if op.get_bind().execute(some.limit(1)).first():
        newest = op.get_bind().scalar(sa.select(sa.func.max(_audits.c.id)))
        steps.create_index(_INDEX, "audits", "name", "deleted", "id")
        for rows in _batches(query):
            names = _free(rows, wanted)
            given = sa.case(names, value=_audits.c.id)
            renamed = sa.update(_audits).values(name=given).where(_audits.c.id.in_(names))
            session.patiently("audits", renamed)
            yield from ((row, names[row.id]) for row in rows)
            op.get_context().opts["progress"]("audits", rows[-1].id, newest)
    # An interrupted run may have left it.
    steps.drop_index(_INDEX, "audits", "name")


def _free(rows: Sequence[Any], wanted: Callable[[Any], tuple[str, str]]) -> dict[int, str]:
    """Return unique names, with the ids of the audits appended where necessary."""
    names: dict[int, str] = {}
    number = 0
    while left := [row for row in rows if row.id not in names]:
        tried = {}
        for row in left:
            text, end = wanted(row)
            end += f"-{row.id}" if number else ""
            end += f"-{number}" if number > 1 else ""
            tried[row.id] = f"{text[: NAME - len(end) - 1]}-{end}"
        name, deleted = _audits.c.name, _audits.c.deleted
        stored = sa.select(name, deleted).where(name.in_(set(tried.values())))
        taken = {tuple(row) for row in op.get_bind().execute(stored)}
        taken |= {(names[row.id], row.deleted) for row in rows if row.id in names}
        for row in left:
            key = (tried[row.id], row.deleted)
            if key not in taken:
                taken.add(key)
                names[row.id] = tried[row.id]
        number += 1
    return names


def _batches(query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """Yield rows in batches, of which no more than one is in memory."""
    last = 0
    while (
        rows := op.get_bind()
        .execute(query.where(_audits.c.id > last).order_by(_audits.c.id).limit(session.BATCH))
        .fetchall()
    ):
        yield rows
        last = rows[-1].id
