# SPDX-License-Identifier: Apache-2.0
"""Workers, and the rows that they claim: fair distribution, leases with fencing tokens, takeover.

A worker is a row with a random uuid, which it keeps alive by heartbeats. What it claims has the
worker's id and a token, the number of the row's last transition: every later write of the state,
by anybody, raises it, and so revokes the lease. The token decides whether a worker may write; the
clock only gives other workers the right to try a takeover.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import api, models, transactions
from watcher_objects.db.backend import database, errors
from watcher_objects.db.sql import (
    claims,
    expectations,
    journal,
    queries,
    state_guard,
    times,
    values,
    write_outcome,
)
from watcher_objects.db.sql.claims import Kind as Kind
from watcher_objects.db.sql.claims import Wanted
from watcher_objects.db.sql.expectations import Not
from watcher_objects.db.sql.queries import Key, Row
from watcher_objects.db.sql.write_outcome import RowVersion, Write, WriteResult
from watcher_objects.db.statements import Cells, column_index
from watcher_objects.db.transactions import retries
from watcher_objects.db.transactions.retries import Outcome
from watcher_objects.transitions import StateTransitionManager

#: The maximum number of rows of a claim, and of seconds for which a row can be given back.
MOST, LONGEST = 10_000, 10 * 366 * 86400
#: Rows that one statement writes through leases.
TOGETHER = 100
#: Seconds after which the row of a dead worker is removed.
FORGOTTEN = 7 * 86400

_workers = models.workers


class Claimant(NamedTuple):
    """The identity of a worker in the rows that it claims."""

    id: int
    host: str


def register(given: Mapping[str, Any]) -> Cells:
    """Store a worker, which is alive for the seconds in ``ttl`` from now on, and return its row.

    :raises InvalidValue: a column can't hold its value
    """
    bound = {"program": None, **state_guard.storable(_workers, given)}
    row: Cells = _registered(bound)
    return row


def _found_worker(lost: exception.DatabaseUnavailable, bound: Mapping[str, Any]) -> Any:
    found = api.get(_workers, {"uuid": bound["uuid"]})
    return Outcome.NOT_APPLIED if found is None else found


@retries.retry_write(_found_worker)
def _registered(bound: Mapping[str, Any]) -> Any:
    moments = {"started_at": times.now(), "alive_until": times.later(bound["ttl"])}
    insert = sa.insert(_workers).values(**bound, **moments)
    with transactions.ensure_transaction():
        transactions.execute(insert)
        return api.get(_workers, {"uuid": bound["uuid"]})


@retries.retried
def beat(uuid: str, ttl: int) -> bool:
    """Keep a worker alive for so many seconds from now; return False if its row is gone."""
    update = sa.update(_workers).where(_workers.c.uuid == uuid)
    return transactions.execute(update.values(alive_until=times.later(ttl))).matched > 0


@retries.retried
def held(table: sa.Table, worker_id: int) -> Sequence[tuple[str, int]]:
    """Return the uuid and the token of each row that a worker has claimed."""
    return claims.held(table, worker_id)


@retries.retried
def unregister(uuid: str) -> None:
    """Remove a worker: what it has still claimed, others may take over at once."""
    transactions.execute(sa.delete(_workers).where(_workers.c.uuid == uuid))


@retries.retried
def forget_dead() -> None:
    """Remove the workers that have been dead for long."""
    is_forgotten = _workers.c.alive_until < times.later(-FORGOTTEN)
    transactions.execute(sa.delete(_workers).where(is_forgotten))


def machine_of(table: sa.Table) -> type[StateTransitionManager]:
    """Return the life cycle of a table whose rows can be claimed.

    :raises UnsupportedError: they can't
    """
    machine: type[StateTransitionManager] | None = table.info["state_machine"]
    if machine is None or machine.RUNNING is None:
        raise exception.UnsupportedError(f"Rows of {table.name} can't be claimed")
    return machine


def _check_continuous(table: sa.Table) -> None:
    if "next_run_time" not in table.columns:
        raise exception.UnsupportedError(f"Rows of {table.name} have no next_run_time")


def _check_number(name: str, value: Any, most: float) -> None:
    """Check that an argument is a whole number from 1 to ``most``.

    :raises InvalidParameter: it is not
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        allowed = f"a whole number from 1 to {most}"
        raise exception.InvalidParameter(parameter=name, parameter_type=allowed)


class Request(NamedTuple):
    """A worker's request for rows of a table.

    ``filters`` are those of a list, ``after`` is an id after which to look, ``context`` is the
    caller's, for the journal.
    """

    table: sa.Table
    claimant: Claimant
    limit: int
    filters: Mapping[str, Any] | None = None
    after: int = 0
    context: Any = None

    def entry(self, kind: str) -> journal.Entry | None:
        """Return the journal entry."""
        return journal.entry(self.table, self.context, kind)

    def wanted(self, kind: Kind) -> Wanted:
        """Return the rows that may be claimed.

        :raises InvalidFilter: a filter can't be used
        :raises InvalidParameter: the limit can't be used
        :raises UnsupportedError: rows of the table can't be claimed
        """
        _check_number("limit", self.limit, MOST)
        machine_of(self.table)
        if kind is Kind.DUE:
            _check_continuous(self.table)
        return Wanted(self.table, kind, self.filters, self.after)


def claim(request: Request, kind: Kind) -> Sequence[Cells]:
    """Claim the first rows that wait or are due, and return them as they are now.

    :raises InvalidFilter, InvalidParameter, UnsupportedError: the request can't be answered
    """
    wanted = request.wanted(kind)
    bound = _bound(request.table, request.claimant, 1)
    if kind is Kind.WAITING:
        state_guard.check_move(request.table, {"state": wanted.from_state}, bound["state"])
    entry = request.entry("claim")
    if not _is_cluster_node():
        return _claimed(request, wanted, bound, entry) or ()
    found = _candidates(wanted, max(request.limit, claims.CANDIDATES))
    chosen = claims.shuffled(found, request.limit)
    rows = [_claimed_candidate(wanted, one, bound, entry) for one in chosen]
    return [row for row in rows if row is not None]


class Takeover(NamedTuple):
    """The rows that were taken over, and those that were ended as no attempt was left."""

    claimed: Sequence[Cells] = ()
    ended: Sequence[WriteResult] = ()


def take_over(request: Request, attempts: int, then: str) -> Takeover:
    """Claim rows that dead workers have left, or end them after so many attempts.

    :param then: the state in which they end
    :raises InvalidStateTransition: no running row can end in this state
    :raises InvalidFilter, InvalidParameter, UnsupportedError: the request can't be answered
    """
    _check_number("attempts", attempts, values.MAX_INTEGER)
    table, wanted = request.table, request.wanted(Kind.ABANDONED)
    state_guard.check_move(table, {"state": wanted.from_state}, then)
    entry = request.entry("takeover")
    claimed, ended = [], []
    for candidate in _candidates(wanted, request.limit):
        made = candidate.attempts or 0
        is_last = made >= attempts
        bound = _end(table, made, then) if is_last else _bound(table, request.claimant, made + 1)
        row = _claimed_candidate(wanted, candidate, bound, entry)
        if row is not None and is_last:
            ended.append(WriteResult(row, wanted.from_state))
        elif row is not None:
            claimed.append(row)
    return Takeover(claimed, ended)


_candidates = retries.retried(claims.candidates)


def _lost_claim(
    lost: exception.DatabaseUnavailable,
    request: Request,
    wanted: Wanted,
    bound: Row,
    entry: journal.Entry | None,
) -> Sequence[Cells] | Outcome:
    """Return the rows that were claimed, although the answer to that was lost.

    Rows that are claimed after this check are given back with a heartbeat.
    """
    rows = claims.written(request.table, "worker_id", request.claimant.id, bound, entry)
    return rows or Outcome.NOT_APPLIED


@retries.retry_write(_lost_claim)
def _claimed(
    request: Request, wanted: Wanted, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells] | None:
    """Claim rows; None if there are none, also as a lost request came late and has them."""
    return claims.claim_first(wanted, request.limit, bound, entry) or None


def _lost_candidate(
    lost: exception.DatabaseUnavailable,
    wanted: Wanted,
    candidate: claims.Candidate,
    bound: Row,
    entry: journal.Entry | None,
) -> Cells | Outcome:
    rows = claims.written(wanted.shape.table, "id", candidate.id, bound, entry)
    return rows[0] if rows else Outcome.NOT_APPLIED


# One by one: what was claimed is kept if the next one fails.
_claimed_candidate = retries.retry_write(_lost_candidate)(claims.claim_candidate)


@retries.retried
def _is_cluster_node() -> bool:
    source = database.current()
    if source.is_cluster_node is None:
        with transactions.connected() as connection, errors.translated(connection.engine):
            source.is_cluster_node = source.backend.is_cluster_node(connection)
    return source.is_cluster_node


def _end(table: sa.Table, attempts: int, state: str) -> dict[str, Any]:
    """Return the new values of a row without attempts left."""
    message = f"The workers of {attempts} attempts have died, or given it back"
    return {
        "updated_at": timeutils.utcnow(),
        "state": state,
        **state_guard.ended_claim(table, state),
        **({"status_message": message} if "status_message" in table.columns else {}),
    }


def _bound(table: sa.Table, claimant: Claimant, attempts: int) -> dict[str, Any]:
    """Return the new values of a claimed row."""
    return {
        "updated_at": timeutils.utcnow(),
        "state": machine_of(table).RUNNING,
        "worker_id": claimant.id,
        "attempts": attempts,
        "available_at": None,
        **({"hostname": claimant.host} if "hostname" in table.columns else {}),
    }


def claim_one(
    table: sa.Table, key: Key, claimant: Claimant, context: Any = None
) -> WriteResult | None:
    """Claim a row that waits, or may run again; None where there is no such row.

    :param context: the caller's, for the journal
    :raises InvalidStateTransition: it is in another state, as it is claimed already, or paused
    """
    machine = machine_of(table)
    barred = (machine.RUNNING, *machine.paused())
    expected = expectations.parse(table, {"state": Not(barred)})
    known = RowVersion(machine.WAITING)
    given = {"state": machine.RUNNING}
    write = api.prepare(table, key, given, known, expected, context, "claim")
    bound = {**write.bound, **_bound(table, claimant, 1)}
    try:
        done = api.apply(write._replace(bound=bound))
        return done if done is not None and done.cells is not None else None
    except exception.UnexpectedValues as error:
        state = error.cells[column_index(table, "state")]
        (ident,) = key.values()
        raise exception.InvalidStateTransition(
            name=table.name, id=ident, initial=state, new=machine.RUNNING, allowed=()
        ) from error


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
    _check_continuous(table)
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
