# SPDX-License-Identifier: Apache-2.0
"""The steps that mend what rows hold: in batches, and such that they can be run again."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy import exc

from . import session, steps

#: The longest name, and what is kept of it when something is put behind it.
NAME = 63
#: Times to begin again where somebody stores what a step has mended.
TRIES = 10

_audits = sa.table(
    "audits",
    *map(sa.column, ("id", "uuid", "name", "deleted", "goal_id", "strategy_id")),
    sa.column("created_at", sa.DateTime()),
)
_goals = sa.table("goals", sa.column("id"), sa.column("name"))
_strategies = sa.table("strategies", sa.column("id"), sa.column("name"))


def fill(table: str, column: str, value: Any) -> None:
    """Put a value where there is none."""
    empty = sa.table(table, sa.column(column))
    update = sa.update(empty).values({column: sa.literal(value)}).where(empty.c[column].is_(None))
    session.in_batches(table, update.where)


def copy_missing(table: str, target: str, source: str) -> None:
    """Let two columns that are to say the same say what the second does, or else the first."""
    row = sa.table(table, sa.column(target), sa.column(source))
    said = sa.func.coalesce(row.c[source], row.c[target])
    differs = sa.or_(row.c[target].is_distinct_from(said), row.c[source].is_distinct_from(said))
    update = sa.update(row).values({target: said, source: said}).where(differs)
    session.in_batches(table, update.where)


def mark_deleted(table: str) -> None:
    """Let every row say whether it is deleted: its id if it has a time of that, else 0."""
    row = sa.table(table, *map(sa.column, ("id", "deleted", "deleted_at")))
    mark = sa.case((row.c.deleted_at.is_(None), sa.literal(0)), else_=row.c.id)
    update = sa.update(row).values(deleted=mark).where(row.c.deleted.is_(None))
    session.in_batches(table, update.where)


def name_audits() -> None:
    """Name the audits that have none: by their strategy, or else their goal, and their time."""
    if session.leave_out("naming audits that have no name"):
        return
    owner = sa.func.coalesce(_strategies.c.name, _goals.c.name).label("owner")
    source = _audits.outerjoin(_strategies, _strategies.c.id == _audits.c.strategy_id).outerjoin(
        _goals, _goals.c.id == _audits.c.goal_id
    )
    unnamed = sa.select(_audits, owner).select_from(source).where(_audits.c.name.is_(None))
    for row in _batches(unnamed):
        when = f"{row.created_at:%Y-%m-%dT%H:%M:%S}" if row.created_at else "unknown"
        _rename(row, row.owner or "audit", when)


def require(table: str, column: str, kind: Any, value: Any) -> None:
    """Put a value where there is none, until the column can be NOT NULL."""

    def try_it() -> None:
        fill(table, column, value)
        steps.require(table, column, kind)

    _until_done(try_it, session.HAS_NULL)


def create_name_key() -> None:
    """Let the name of an audit that is not deleted be its alone.

    Of several with one name the oldest keeps it, and the others have their ids put behind it.
    """

    def try_it() -> None:
        _part_names()
        steps.create_unique("uniq_audits0name", "audits", "name", "deleted")

    _until_done(try_it, session.DUPLICATE)


def _until_done(try_it: Callable[[], None], refused: Collection[Any]) -> None:
    """Mend rows and bind them to a rule, again where somebody has stored another meanwhile."""
    for _ in range(TRIES):
        try:
            return try_it()
        except exc.SQLAlchemyError as error:
            if not session.tells(error, refused):
                raise
    raise CommandError(f"what was mended {TRIES} times is stored again and again: stop who does")


def _part_names() -> None:
    if session.leave_out("parting audits that share a name, which the next statement refuses"):
        return
    shared = (
        sa.select(_audits.c.name, _audits.c.deleted)
        .where(_audits.c.name.is_not(None))
        .group_by(_audits.c.name, _audits.c.deleted)
        .having(sa.func.count() > 1)
        .limit(session.BATCH)
    )
    # Those that are parted are not found again.
    while some := op.get_bind().execute(shared).fetchall():
        for name, deleted in some:
            same = sa.and_(_audits.c.name == name, _audits.c.deleted == deleted)
            oldest = sa.select(sa.func.min(_audits.c.id)).where(same).scalar_subquery()
            for row in _batches(sa.select(_audits).where(same, _audits.c.id > oldest)):
                new = _rename(row, row.name, str(row.id))
                told = "audit %s shared its name %r, and is %r now"
                session.LOG.warning(told, row.uuid, row.name, new)


def _rename(row: Any, text: str, end: str) -> str:
    """Give an audit a name with this end, and its id behind it where others have that."""
    for more in ("", f"-{row.id}", *(f"-{row.id}-{number}" for number in range(1, 1000))):
        name = f"{text[: NAME - len(end + more) - 1]}-{end}{more}"
        same = (_audits.c.name == name, _audits.c.deleted == row.deleted)
        if not op.get_bind().execute(sa.select(_audits.c.id).where(*same).limit(1)).first():
            break
    renamed = sa.update(_audits).where(_audits.c.id == row.id).values(name=name)
    session.patiently("audits", renamed)
    return name


def _batches(query: sa.Select[Any]) -> Iterator[Any]:
    """Yield rows, of which no more than some are in memory."""
    last = 0
    while (
        rows := op.get_bind()
        .execute(query.where(_audits.c.id > last).order_by(_audits.c.id).limit(session.BATCH))
        .fetchall()
    ):
        yield from rows
        last = rows[-1].id
