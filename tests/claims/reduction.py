# SPDX-License-Identifier: Apache-2.0
"""Which states are the same, apart from what makes no difference any more."""

import functools

from tests.claims.designs import Design
from tests.claims.states import (
    ATTEMPTS,
    FINAL,
    NO_LEASE,
    ONGOING,
    PENDING,
    SUCCEEDED,
    Caller,
    Late,
    Lease,
    Lifetime,
    Phase,
    Process,
    Purpose,
    Request,
    Row,
    State,
    Truth,
    Type,
    worker_id,
)


def reduced(state: State, design: Design) -> State:
    """Return the state that stands for all from which the same can follow."""
    row, truth = state.row, state.truth
    is_final = row.state in FINAL
    is_its_row = [row.worker == worker_id(design, n + 1) for n in range(len(state.processes))]
    processes = tuple(
        _reduced_process(process, row, truth.claim, is_its, design)
        for process, is_its in zip(state.processes, is_its_row, strict=True)
    )
    truth = Truth(
        int(truth.claim > 0),
        truth.process,
        truth.is_handed_out,
        0 if is_final else min(truth.failures, ATTEMPTS + 1),
        truth.is_foreign and not is_final,
    )
    is_killed = row.worker > len(processes)
    if not is_killed or (state.killed == Lifetime.EXPIRED and design.scan == "not alive"):
        state = state._replace(killed=Lifetime.REMOVED)
    return State(row._replace(token=1), processes, state.killed, truth)


def in_order(state: State, design: Design) -> State:
    """Return the state with its processes in an order that does not depend on their numbers."""
    row, processes, killed, truth = state
    keys = [(p, n != row.worker, n != truth.process, n) for n, p in enumerate(processes, 1)]
    order = [key[-1] for key in sorted(keys)]
    if design.one_id or order == sorted(order):
        return state
    places = {old: new for new, old in enumerate(order, 1)}
    row = row._replace(worker=places.get(row.worker, row.worker))
    truth = truth._replace(process=places.get(truth.process, truth.process))
    return State(row, tuple(processes[n - 1] for n in order), killed, truth)


@functools.cache
def _reduced_process(
    process: Process, row: Row, claim: int, is_its_row: bool, design: Design
) -> Process:
    token, callers = row.token, process.callers
    if process.suspect != token:
        callers = tuple(caller._replace(explains=False) for caller in callers)
    callers = tuple(sorted(_reduced_caller(caller, row, claim, design) for caller in callers))
    has_row = is_its_row and row.state == ONGOING
    # A worker that expires before it claims is as one that expires afterwards.
    is_known = has_row or design.scan == "given back"
    return Process(
        callers,
        process.lifetime if is_known else Lifetime.LIVE,
        int(has_row and process.dropped == token),
        process.reading if process.reading <= 0 else _same(process.reading, token, design),
        int(process.suspect == token),
        int(process.returning == token),
    )


def _same(reading: int, token: int, design: Design) -> int:
    """Return the token that was read as it is stored; an old one only shows losses of leases."""
    return 1 if reading == token else (0 if design.losses == "as compared" else -1)


def _reduced_caller(caller: Caller, row: Row, claim: int, design: Design) -> Caller:
    token = row.token
    request, written, is_recorded, explains, late = caller
    phase = request.phase
    written = int(written == token)
    late = tuple(
        Late(_reduced_request(one.request, token, claim), one.is_own)
        for one in late
        if _is_useful(one.request, row, design)
    )
    request = _reduced_request(request, token, claim)
    if phase in (Phase.LOOKING, Phase.READ, Phase.UNANSWERED):
        is_recorded = is_recorded and design.look == "call once"
        is_open = written or is_recorded or any(one.is_own for one in late)
        if phase == Phase.UNANSWERED and not is_open:
            request = Request()
        is_old = phase == Phase.READ and not request.lease.token
        if is_old and design.take_over == "token and time":
            request = Request()
    elif phase == Phase.ENDING:
        written = 0
        if design.finish == "token" and (is_recorded or not request.lease.token):
            request = request._replace(purpose=Purpose.FINISH)
        if is_recorded and design.is_journaled:
            request = request._replace(lease=NO_LEASE)
    return Caller(request, written, is_recorded, explains, late)


def _reduced_request(request: Request, token: int, claim: int) -> Request:
    phase, lease, attempts, purpose = request
    if lease is NO_LEASE:
        return request
    newest = int(claim > 0 and lease.claim == claim)
    return Request(phase, Lease(int(lease.token == token), newest), attempts, purpose)


def _is_useful(request: Request, row: Row, design: Design) -> bool:
    """Return whether a late request can still change the row."""
    if request.phase == Phase.LOOKING:
        is_over = row.state in FINAL and not (row.type == Type.EVENT and row.state == SUCCEEDED)
        return row.state == PENDING or (row.type != Type.ONESHOT and not is_over)
    if request.phase == Phase.READ:
        needs_token = design.take_over in ("token and time", "token")
    else:
        needs_token = design.finish == "token"
    return request.lease.token == row.token or not needs_token
