# SPDX-License-Identifier: Apache-2.0
"""Claims of rows by workers, and takeover of those that dead workers have left.

A claim writes the worker's id to the row, and returns a token, the number of the row's last
transition: every later write of the state, by anybody, raises it, and so revokes the lease. The
token decides whether a worker may write; the clock only gives other workers the right to try a
takeover.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import api, transactions
from watcher_objects.db.backend import database, errors
from watcher_objects.db.sql import claims, expectations, journal, state_guard, values
from watcher_objects.db.sql.claimable import Kind as Kind
from watcher_objects.db.sql.claims import Wanted
from watcher_objects.db.sql.expectations import Not
from watcher_objects.db.sql.queries import Key, Row
from watcher_objects.db.sql.write_outcome import RowVersion, WriteResult
from watcher_objects.db.statements import Cells, column_index
from watcher_objects.db.transactions import retries
from watcher_objects.db.transactions.retries import Outcome
from watcher_objects.transitions import StateTransitionManager

#: The maximum number of rows of a claim.
MOST = 10_000


class Claimant(NamedTuple):
    """The identity of a worker in the rows that it claims."""

    id: int
    host: str


def machine_of(table: sa.Table) -> type[StateTransitionManager]:
    """Return the life cycle of a table whose rows can be claimed.

    :raises UnsupportedError: they can't
    """
    machine: type[StateTransitionManager] | None = table.info["state_machine"]
    if machine is None or machine.RUNNING is None:
        raise exception.UnsupportedError(f"Rows of {table.name} can't be claimed")
    return machine


def check_continuous(table: sa.Table) -> None:
    """Check that the rows of a table can run continuously.

    :raises UnsupportedError: they can't
    """
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
            check_continuous(self.table)
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
