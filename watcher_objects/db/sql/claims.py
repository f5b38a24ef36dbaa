# SPDX-License-Identifier: Apache-2.0
"""The statements that claim rows, and that write claimed rows.

A claim chooses a row and writes it in one transaction, in which it skips the rows that others have
locked. A row that a dead worker has left, and on a cluster any row, is read first,
and then written only if its last transition is still the one that was read: nodes do not share
locks, and PostgreSQL does not look at other tables again when it has waited for a row.
"""

import functools
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import database
from watcher_objects.db.cursors import is_listened_to
from watcher_objects.db.sql import dml, journal
from watcher_objects.db.sql.claimable import (
    Kind,
    LeaseShape,
    Shape,
    in_state,
    select_first,
    shape_conditions,
    state_of,
)
from watcher_objects.db.sql.filters import parse_filters
from watcher_objects.db.sql.queries import Row
from watcher_objects.db.statements import (
    SHAPES,
    Cells,
    ChainOfEach,
    Loop,
    Statement,
    column_index,
)

#: Candidates of which one is chosen at random, so that workers seldom choose the same.
CANDIDATES = 64


class Candidate(NamedTuple):
    """A row that may be claimed, as it was read."""

    id: int
    moves: int | None
    attempts: int | None


class Wanted:
    """The rows that a worker may claim.

    :param filters: those of a list
    :param after: an id after which to look; 0 for all rows
    :raises InvalidFilter: one of the filters can't be used
    """

    def __init__(
        self, table: sa.Table, kind: Kind, filters: Mapping[str, Any] | None, after: int = 0
    ) -> None:
        parsed, bound = parse_filters(table, filters)
        self.shape = Shape(table, kind, parsed, after > 0)
        self.from_state = state_of(table, kind)
        #: The values that the statements name.
        self.values = {**bound, "claimable_state": self.from_state, "after": after}

    def first(self, limit: int) -> Shape:
        """Return the shape of the statements for so many rows.

        PostgreSQL plans a statement anew for each call if it does not know how many rows it is
        for; with filters it should.
        """
        is_fixed = database.current().backend.plans_by_text and not self.shape.filters
        return self.shape._replace(limit=limit) if is_fixed else self.shape


def candidates(wanted: Wanted, limit: int) -> list[Candidate]:
    """Return the first rows that may be claimed, in the order in which they should be."""
    statement = _candidates(database.current().dialect, wanted.first(limit))
    rows = transactions.run(statement, {**wanted.values, "limit": limit}).rows
    return [Candidate(*row) for row in rows]


def claim_first(
    wanted: Wanted, limit: int, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Claim the first rows that others have not locked, and return them as they are now.

    :param bound: what is written to them
    :param entry: its journal entry
    """
    if not database.current().backend.skips_locked and not candidates(wanted, 1):
        # A transaction would exclude all other writers.
        return []
    values = {**wanted.values, **_values(wanted.from_state, bound, entry), "limit": limit}
    rows = _write_locked(wanted.first(limit), values, bound, entry)
    ident = column_index(wanted.shape.table, "id")
    return sorted(rows, key=lambda row: row[ident])


def write_leased(
    table: sa.Table, leases: Mapping[str, int], bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Write the rows of the leases that are not lost, and return them as they are now.

    :param leases: the tokens by the uuids of the rows
    :param bound: what is written to them
    :param entry: its journal entry
    """
    running = table.info["state_machine"].RUNNING
    values = {"claimable_state": running, **_values(running, bound, entry)}
    for number, (uuid, token) in enumerate(leases.items()):
        values |= {f"uuid_{number}": uuid, f"token_{number}": token}
    try:
        return _write_locked(LeaseShape(table, len(leases)), values, bound, entry)
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise dml.with_column_names(table, bound, error) from error


def _write_locked(
    shape: Shape | LeaseShape,
    values: Row,
    bound: Row,
    entry: journal.Entry | None,
) -> Sequence[Cells]:
    """Lock rows and write them in one transaction, and return them as they are now."""
    source = database.current()
    shape_of = source.dialect, shape, tuple(bound), entry is not None
    if source.backend.writes_in_with:
        write = _write_in_with(*shape_of)
    elif not source.backend.skips_locked:
        write = _write_in_chain(*shape_of)
    elif is_listened_to(source.engine):
        return _write_each(shape, values, bound, entry)
    else:
        write = _write_in_loop(*shape_of)
    return transactions.run(write, values).rows


def _write_each(
    shape: Shape | LeaseShape, values: Row, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Do the same by statements that a listener sees, one after the other."""
    table = shape.table
    with transactions.ensure_transaction():
        select = _locked(database.current().dialect, shape)
        idents = [row[0] for row in transactions.run(select, values).rows]
        now = dml.update_many(table, [table.c.id.in_(idents)], bound, idents)
        moved = [(values["claimable_state"], row) for row in now.values()]
        journal.record_many(table, entry, moved)
    return [[*row.values()] for row in now.values()]


def claim_candidate(
    wanted: Wanted, candidate: Candidate, bound: Row, entry: journal.Entry | None
) -> Cells | None:
    """Claim a row if it has not changed, and may still be claimed; else return None."""
    dialect = database.current().dialect
    write = _claim_candidate(
        dialect, wanted.shape, tuple(bound), entry is not None, candidate.moves is None
    )
    values = {**wanted.values, **_values(wanted.from_state, bound, entry)}
    return dml.write_row(write, {**values, "id": candidate.id, "read_moves": candidate.moves})


def shuffled(found: Sequence[Candidate], limit: int) -> Sequence[Candidate]:
    """Return ``limit`` of the candidates, chosen at random, in their order."""
    return sorted(random.sample(found, min(limit, len(found))))


def held(table: sa.Table, worker_id: int) -> Sequence[tuple[str, int]]:
    """Return the uuid and the token of each row that a worker has claimed."""
    statement = _held(database.current().dialect, table)
    values = {"claimable_state": table.info["state_machine"].RUNNING, "worker": worker_id}
    return [(row[0], row[1]) for row in transactions.run(statement, values).rows]


def written(
    table: sa.Table, name: str, value: int, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Return the rows that a claim has written, and that nobody has written since.

    The other parameters are those of the claim.

    :param name: a column by which they are found
    :param value: what it holds
    """
    select = sa.select(table).where(table.c.state == bound["state"], table.c[name] == value)
    if entry is None:
        select = select.where(table.c.updated_at == bound["updated_at"])
    else:
        select = select.where(journal.is_last(table, entry))
    return [[*row] for row in transactions.execute(select).rows]


@functools.lru_cache(maxsize=SHAPES)
def _candidates(dialect: sa.Dialect, shape: Shape) -> Statement:
    columns = shape.table.c
    select = select_first(dialect, shape, columns.id, columns.moves, columns.attempts)
    return Statement(select, dialect)


@functools.lru_cache(maxsize=SHAPES)
def _locked(dialect: sa.Dialect, shape: Shape | LeaseShape) -> Statement:
    return Statement(shape.locked(dialect), dialect)


@functools.lru_cache(maxsize=SHAPES)
def _held(dialect: sa.Dialect, table: sa.Table) -> Statement:
    worker = sa.bindparam("worker", type_=table.c.worker_id.type)
    conditions = (*in_state(table), table.c.worker_id == worker)
    return Statement(sa.select(table.c.uuid, table.c.moves).where(*conditions), dialect)


def _new(table: sa.Table, names: Sequence[str]) -> dict[str, Any]:
    return {**dml.new_values(table, names), **journal.counted(table, names)}


def _values(from_state: str, bound: Row, entry: journal.Entry | None) -> dict[str, Any]:
    new = {f"new_{name}": value for name, value in bound.items()}
    return new if entry is None else {**new, **journal.values(entry, from_state)}


@functools.lru_cache(maxsize=SHAPES)
def _write_in_with(
    dialect: sa.Dialect, shape: Shape | LeaseShape, names: Sequence[str], is_recorded: bool
) -> Statement:
    table = shape.table
    # The array makes it a subquery that runs once.
    idents = sa.func.array(shape.locked(dialect).scalar_subquery())
    write = sa.update(table).where(table.c.id == sa.func.any(idents)).values(_new(table, names))
    if is_recorded:
        return dml.recorded(dialect, table, write, ())
    return Statement(write.returning(*table.columns), dialect)


@functools.lru_cache(maxsize=SHAPES)
def _write_in_loop(
    dialect: sa.Dialect, shape: Shape | LeaseShape, names: Sequence[str], is_recorded: bool
) -> Statement:
    table = shape.table
    is_picked = table.c.id == sa.literal_column("picked.id")
    others: list[Any] = [sa.update(table).where(is_picked).values(_new(table, names))]
    if is_recorded:
        others.append(journal.record(table, table, [is_picked]))
    others.append(sa.select(table).where(is_picked))
    each = [Statement(other, dialect) for other in others]
    return Loop(_locked(dialect, shape), each, dialect)


@functools.lru_cache(maxsize=SHAPES)
def _write_in_chain(
    dialect: sa.Dialect, shape: Shape | LeaseShape, names: Sequence[str], is_recorded: bool
) -> Statement:
    table = shape.table
    idents = shape.locked(dialect).scalar_subquery()
    write = sa.update(table).where(table.c.id.in_(idents)).values(_new(table, names))
    first = Statement(write.returning(*table.columns), dialect)
    others = [dml.record_changed(dialect, table, ("id",))] if is_recorded else []
    return ChainOfEach(first, others, dialect, ("id", column_index(table, "id")))


@functools.lru_cache(maxsize=SHAPES)
def _claim_candidate(
    dialect: sa.Dialect,
    shape: Shape,
    names: Sequence[str],
    is_recorded: bool,
    is_first: bool,
) -> Statement:
    table = shape.table
    ident = sa.bindparam("id", type_=table.c.id.type)
    moves = None if is_first else sa.bindparam("read_moves", type_=table.c.moves.type)
    is_same = (table.c.id == ident, table.c.moves == moves)
    new = _new(table, names)
    write = sa.update(table).where(*is_same, *shape_conditions(dialect, shape)).values(new)
    make = dml.recorded if is_recorded else dml.followed
    return make(dialect, table, write, ("id",))
