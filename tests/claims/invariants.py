# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever happens: of each step, and of each state."""

from collections.abc import Callable

from tests.claims import model
from tests.claims.designs import Design
from tests.claims.states import (
    ATTEMPTS,
    CANCELLED,
    ENDS,
    FAILED,
    FINAL,
    IDLE,
    NOBODY,
    ONGOING,
    SUSPENDED,
    Case,
    Kind,
    Lifetime,
    Phase,
    State,
    Step,
    Truth,
    lifetime,
    worker_id,
)

_ENDS = frozenset(ENDS.values())
_OTHERS = frozenset(
    {Kind.CANCEL, Kind.SUSPEND, Kind.RESUME, Kind.DELETE}
    | {kind for kind in Kind if kind.name.startswith("FOREIGN")}
)


def only_the_newest_claim_ends(before: State, step: Step, after: State, design: Design) -> bool:
    """A lease ends only while its claim is the newest and not revoked; one caller gets it."""
    if step.kind in _ENDS:
        return bool(step.lease.claim)
    if step.kind == Kind.ADOPT:
        return bool(step.lease.claim) and not before.truth.is_handed_out
    return True


def operators_writes_stay(before: State, step: Step, after: State, design: Design) -> bool:
    """What an operator has cancelled or suspended stays so until an operator changes it."""
    old, new = before.row.state, after.row.state
    return old == new or old not in (CANCELLED, SUSPENDED) or step.kind in _OTHERS


def one_final_state(before: State, step: Step, after: State, design: Design) -> bool:
    """A final state is the last one until somebody asks for another run, or deletes the row."""
    old, new = before.row.state, after.row.state
    return old == new or old not in FINAL or step.kind in _OTHERS | {Kind.CLAIM_AGAIN}


def heartbeats_extend_own_claims(before: State, step: Step, after: State, design: Design) -> bool:
    """A heartbeat, or a start, extends only the time of what its own process has claimed."""
    worker, truth = before.row.worker, before.truth
    if step.kind not in (Kind.BEAT, Kind.KILL, Kind.STOP) or not truth.claim:
        return True
    was, now = lifetime(before, worker), lifetime(after, after.row.worker)
    return was == Lifetime.LIVE or now != Lifetime.LIVE or truth.process == step.process


def takeovers_are_due(before: State, step: Step, after: State, design: Design) -> bool:
    """A takeover takes nothing from the living, and gives each attempt that is left, no more.

    Nor does a worker give back a row whose lease one of its callers has or is about to get.
    """
    row = before.row
    if step.kind == Kind.RECONCILE:
        callers = before.processes[step.process - 1].callers
        return not any(
            caller.lease.token == row.token
            or (caller.phase == Phase.UNANSWERED and caller.written == row.token)
            for caller in callers
        )
    if step.kind not in (Kind.TAKE_OVER, Kind.FAIL):
        return True
    if row.state != ONGOING or before.truth.is_foreign:
        return False
    if row.worker > NOBODY and lifetime(before, row.worker) == Lifetime.LIVE:
        return False
    return (after.truth.failures >= ATTEMPTS) == (after.row.state == FAILED)


def answers_are_true(before: State, step: Step, after: State, design: Design) -> bool:
    """What is rejected is not done, and a lease that is called lost is lost."""
    if step.kind == Kind.REJECT:
        return not step.is_recorded
    return step.kind != Kind.NOTICE_LOSS or not step.lease.claim


def nothing_is_abandoned(state: State, case: Case) -> bool:
    """If from now on all workers die, or all live and do nothing, another one can go on.

    Except with a row on which a caller has the lease: it may work for ever.
    """
    if state.row.state != ONGOING or state.truth.is_foreign:
        return True
    dead = state._replace(truth=Truth(), processes=())
    if state.row.worker > NOBODY:
        killed = lifetime(state, state.row.worker)
        dead = dead._replace(row=state.row._replace(worker=1), killed=killed)
    if not _recovers(dead, case):
        return False
    callers = [caller for process in state.processes for caller in process.callers]
    if any(caller.lease.claim for caller in callers):
        return True
    return _recovers(_idle(state._replace(truth=Truth())), case)


def _idle(state: State) -> State:
    """Return the state when all calls have ended."""
    idle = (p._replace(callers=(IDLE,) * len(p.callers)) for p in state.processes)
    return state._replace(processes=tuple(idle))


_recoveries: dict[tuple[State, Case], bool] = {}


def _recovers(state: State, case: Case) -> bool:
    key = (state, case)
    if key not in _recoveries:
        _recoveries[key] = _search(state, case)
    return _recoveries[key]


def _search(first: State, case: Case) -> bool:
    """Return whether heartbeats and clocks alone lead to a row that a new worker can acquire."""
    seen, waiting = {first}, [first]
    living = {worker_id(case.design, n) for n in range(1, len(first.processes) + 1)}
    while waiting:
        state = waiting.pop()
        if model.can_acquire(state, case.design):
            return True
        for kind in (model.clock, model.beat, model.compare, model.reconcile):
            for step, changed in kind(state, case):
                after = _idle(changed)
                is_late = step.kind in (Kind.EXPIRE, Kind.REMOVE) and step.process in living
                if not is_late and after not in seen:
                    seen.add(after)
                    waiting.append(after)
    return False


#: What must hold of each step.
OF_STEPS: dict[str, Callable[[State, Step, State, Design], bool]] = {
    "I1": only_the_newest_claim_ends,
    "I2": operators_writes_stay,
    "I3": one_final_state,
    "I4": heartbeats_extend_own_claims,
    "I5": takeovers_are_due,
    "I6": answers_are_true,
}
#: What must hold of each state.
OF_STATES: dict[str, Callable[[State, Case], bool]] = {"I7": nothing_is_abandoned}
INVARIANTS = (*OF_STEPS, *OF_STATES)


def violations_by_step(before: State, step: Step, after: State, design: Design) -> list[str]:
    """Return the names of the invariants that a step violates."""
    return [name for name, holds in OF_STEPS.items() if not holds(before, step, after, design)]


def violations_by_state(state: State, case: Case) -> list[str]:
    """Return the names of the invariants that a state violates."""
    return [name for name, holds in OF_STATES.items() if not holds(state, case)]
