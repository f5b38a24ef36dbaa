# SPDX-License-Identifier: Apache-2.0
"""Writes through leases: each requires the token of the claim in its WHERE clause."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import api, transactions
from watcher_objects.db.backend import database
from watcher_objects.db.claims import check_continuous, machine_of
from watcher_objects.db.sql import (
    claims,
    expectations,
    journal,
    queries,
    state_guard,
    times,
    write_outcome,
)
from watcher_objects.db.sql.queries import Key, Row
from watcher_objects.db.sql.write_outcome import RowVersion, Write, WriteResult
from watcher_objects.db.statements import Cells, column_index
from watcher_objects.db.transactions import retries
from watcher_objects.db.transactions.retries import Outcome

#: The maximum number of seconds for which a row can be given back.
LONGEST = 10 * 366 * 86400
#: Rows that one statement writes.
TOGETHER = 100


def write(
    table: sa.Table,
    key: Key,
    token: int,
    given: Mapping[str, Any],
    context: Any = None,
) -> WriteResult | None:
    """Change a row that a worker has claimed; None where there is no such row.

    :param token: the number of the transition that claimed it
    :param given: the columns that change; with ``state``, the claim ends
    :param context: the caller's, for the journal
    :raises UnexpectedValues: the row has another token: the claim was revoked
    :raises InvalidStateTransition, InvalidValue, Conflict: as for ``api.update``
    """
    expected = expectations.numbered(token)
    known = RowVersion(machine_of(table).RUNNING, moves=token)
    return api.apply(api.prepare(table, key, given, known, expected, context, "finish"))


class Held(NamedTuple):
    """A row that a worker has claimed: its uuid, its token, and columns that change."""

    uuid: str
    token: int
    given: Mapping[str, Any]


def finish_many(
    table: sa.Table, leases: Sequence[Held], given: Mapping[str, Any], context: Any = None
) -> list[WriteResult | Exception | None]:
    """Change rows that a worker has claimed, in one transaction.

    Rows that change alike take one statement together, the others one each.

    :param given: the columns that change in all rows, ``state`` among them
    :param context: the caller's, for the journal
    :returns: for each row what :func:`write` returns, or the error by which it says that the claim
        was revoked
    :raises InvalidStateTransition: a claimed row can't go to the state
    :raises InvalidValue, Conflict: as for :func:`write`; nothing was written
    """
    known = RowVersion(machine_of(table).RUNNING)
    if not leases:
        return []
    common = api.prepare(table, {}, given, known, expectations.NOTHING, context, "finish")
    alike = [lease for lease in leases if not lease.given] if _is_plain(common) else []
    others = [_of_lease(common, lease) for lease in leases if lease.given or not alike]
    done = _finished_many(common, alike, others) or {}
    missed = [lease for lease in leases if lease.uuid not in done]
    found = {**done, **(_revoked(common, missed) if missed else {})}
    return [found[lease.uuid] for lease in leases]


def _of_lease(common: Write, lease: Held) -> Write:
    """Return the write of one of several leases."""
    own = state_guard.storable(common.table, lease.given) if lease.given else {}
    return common._replace(
        key={"uuid": lease.uuid},
        bound={**own, **common.bound},
        known=common.known._replace(moves=lease.token),
        expected=expectations.numbered(lease.token),
    )


def _is_plain(write: Write) -> bool:
    """Return whether one statement can make the write to several rows.

    :raises InvalidStateTransition: no running row can end in this state
    """
    state, rules = write.bound["state"], write.rules
    condition = rules.condition(write.known.state, state) if rules else None
    if condition is None:
        state_guard.check_move(write.table, {"state": write.known.state}, state, rules=rules)
    computed = any(isinstance(value, sa.ColumnElement) for value in write.bound.values())
    return not (condition or computed or "deleted" in write.bound)


def _lost_finish(
    lost: exception.DatabaseUnavailable,
    common: Write,
    alike: Sequence[Held],
    others: Sequence[Write],
) -> Mapping[str, WriteResult] | Outcome:
    """Return the rows that were written, although the answer to that was lost."""
    found: dict[str, WriteResult] = {}
    for write in (*(_of_lease(common, lease) for lease in alike), *others):
        of_row = exception.DatabaseUnavailable(reason=str(lost))
        of_row.expected = write.known
        update = write_outcome.written(of_row, write)
        if update is Outcome.SUPERSEDED:
            return update
        if isinstance(update, WriteResult):
            found[write.key["uuid"]] = update
    return found or Outcome.NOT_APPLIED


@retries.retry_write(_lost_finish)
def _finished_many(
    common: Write, alike: Sequence[Held], others: Sequence[Write]
) -> Mapping[str, WriteResult] | None:
    """Write rows whose claims were not revoked, and return them by uuid; None if none was."""
    if not others and len(alike) <= TOGETHER:
        return _finished_alike(common, alike) or None
    return transactions.atomic(lambda: _finished_in_turn(common, alike, others)) or None


def _finished_in_turn(
    common: Write, alike: Sequence[Held], others: Sequence[Write]
) -> Mapping[str, WriteResult]:
    found: dict[str, WriteResult] = {}
    for begin in range(0, len(alike), TOGETHER):
        found |= _finished_alike(common, alike[begin : begin + TOGETHER])
    for write in others:
        # Both mean that the claim was revoked, or that the row was not written at all.
        with suppress(exception.UnexpectedValues, exception.InvalidStateTransition):
            if done := api.apply(write):
                found[write.key["uuid"]] = done
    return found


def _finished_alike(common: Write, leases: Sequence[Held]) -> dict[str, WriteResult]:
    """Write rows in which the same columns change to the same values."""
    table, bound, running = common.table, common.bound, common.known.state
    tokens = {lease.uuid: lease.token for lease in leases}
    uuid = column_index(table, "uuid")
    found = {}
    for cells in claims.write_leased(table, tokens, bound, common.entry):
        write_outcome.check(table, {"uuid": cells[uuid]}, bound, cells)
        found[cells[uuid]] = WriteResult(cells, running)
    return found


@retries.retried
def _revoked(common: Write, leases: Sequence[Held]) -> dict[str, Exception | None]:
    """Return why rows were not written: None for those that are gone.

    :raises WriteSuppressed: there is no reason
    """
    table, found = common.table, dict[str, Exception | None]()
    is_one = table.c.uuid.in_([lease.uuid for lease in leases])
    is_there = queries.identity_conditions(table, {}, show_deleted=False)
    rows = transactions.execute(sa.select(table).where(is_one, *is_there)).rows
    there = {row.uuid: [*row] for row in rows}
    for lease in leases:
        cells = there.get(lease.uuid)
        write = _of_lease(common, lease)
        found[lease.uuid] = None if cells is None else _reason(write, cells)
    return found


def _reason(write: Write, cells: Cells) -> Exception:
    """Return why a row was not written.

    :raises WriteSuppressed: there is no reason
    """
    try:
        api.check(write, cells)
    except (exception.UnexpectedValues, exception.InvalidStateTransition) as error:
        return error
    raise write_outcome.suppressed(write.table, write.key, "the UPDATE did not match the row")


def give_back(
    table: sa.Table,
    key: Key,
    token: int,
    after: float = 0,
    counts: bool = True,
    context: Any = None,
) -> WriteResult | None:
    """End a claim so that any worker may take the row over.

    :param after: seconds for which nobody may
    :param counts: whether it counts as an attempt
    :raises InvalidParameter: ``after`` can't be used
    :raises UnexpectedValues: as for :func:`write`
    """
    is_number = isinstance(after, int | float) and not isinstance(after, bool)
    if not is_number or not 0 <= after <= LONGEST:
        allowed = f"seconds from 0 to {LONGEST}"
        raise exception.InvalidParameter(parameter="after", parameter_type=allowed)
    bound = Row(worker_id=state_guard.NOBODY, available_at=times.later(after) if after else None)
    if not counts:
        bound["attempts"] = table.c.attempts - 1
    return _written_in_place(table, key, token, bound, context, "give_back")


def reschedule(
    table: sa.Table,
    key: Key,
    token: int,
    given: Mapping[str, Any],
    context: Any = None,
) -> WriteResult | None:
    """End the run of a continuous row, which is due again later.

    :param given: the columns that change, ``next_run_time`` among them
    :raises UnsupportedError: the table's rows are not continuous
    :raises UnexpectedValues: as for :func:`write`
    """
    check_continuous(table)
    bound = {**state_guard.storable(table, given), "worker_id": None, "attempts": 0}
    return _written_in_place(table, key, token, bound, context, "reschedule")


def _written_in_place(
    table: sa.Table, key: Key, token: int, bound: Mapping[str, Any], context: Any, kind: str
) -> WriteResult | None:
    """Write a claimed row, which stays in its state and gets a new token."""
    rules = machine_of(table).under(database.get_profile())
    running = rules.RUNNING
    now = {"updated_at": timeutils.utcnow(), "state": running, "available_at": None, **bound}
    entry = journal.entry(table, context, kind)
    known = RowVersion(running, moves=token)
    write = Write(table, key, now, known, rules.held(), entry, expectations.numbered(token))
    return api.apply(write)
