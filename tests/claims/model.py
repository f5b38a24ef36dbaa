# SPDX-License-Identifier: Apache-2.0
"""A model of claims: an immutable state, and the steps that lead from it to others.

There is one row. The callers of workers claim it, take it over, finish it and give it back.
Workers are killed and started again; a worker that is frozen takes no step. Answers are lost, and
so are connections, on which a request may be executed later.

Some things that happen are not steps of their own, as other steps lead to the same states:

* A caller that has no lease is always looking for work, and one that has a lease works. A step is
  what the database executes of a request.
* A caller gets an answer at once. One that still waits for it is as one whose answer is lost and
  that has not looked yet.
* A worker that was killed starts again at once, as another worker.
* What a killed process has sent is executed as if the process were killed afterwards.

Tokens only grow, so of all tokens it matters only which are the row's: each state is stored with
the row's as 1 and older ones as 0. The newest claim is number 1 in the same way, and the processes
are sorted. So a search ends without a limit to the number of steps.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.claims.designs import Design
from tests.claims.states import (
    ATTEMPTS,
    CANCELLED,
    DELETED,
    ENDS,
    FAILED,
    IDLE,
    NOBODY,
    NULL,
    ONGOING,
    PENDING,
    SUCCEEDED,
    SUSPENDED,
    WITH_LEASE,
    Caller,
    Case,
    Kind,
    Late,
    Lease,
    Lifetime,
    Phase,
    Process,
    Purpose,
    Request,
    Row,
    State,
    Step,
    Steps,
    Type,
    lifetime,
    worker_id,
)

# What statements ask for


def is_due(row: Row) -> bool:
    """Return whether a continuous audit is to be run again."""
    return (row.state, row.worker, row.attempts, row.is_held_back) == (ONGOING, NULL, 0, False)


def is_abandoned(state: State, design: Design) -> bool:
    """Return whether the scan for takeovers finds the row."""
    row = state.row
    if row.state != ONGOING or row.worker == NULL or row.is_held_back:
        return False
    if design.scan == "given back":
        return row.worker == NOBODY
    alive = lifetime(state, row.worker)
    return alive != Lifetime.LIVE and not (
        design.scan == "in the table" and row.worker != NOBODY and alive == Lifetime.REMOVED
    )


def can_acquire(state: State, design: Design) -> bool:
    """Return whether a worker that looks for work finds the row."""
    return state.row.state == PENDING or is_due(state.row) or is_abandoned(state, design)


# Changes that several steps make


def _put(items: tuple, index: int, item: object) -> tuple:
    return (*items[:index], item, *items[index + 1 :])


def _with_process(state: State, number: int, **changes: object) -> State:
    changed = state.processes[number - 1]._replace(**changes)
    return state._replace(processes=_put(state.processes, number - 1, changed))


def _with_lifetime(state: State, worker: int, alive: Lifetime) -> State:
    if worker > len(state.processes):
        return state._replace(killed=alive)
    return _with_process(state, worker, lifetime=alive)


def _with_caller(state: State, number: int, index: int, caller: Caller) -> State:
    callers = _put(state.processes[number - 1].callers, index, caller)
    return _with_process(state, number, callers=callers)


def _after_call(caller: Caller, request: Request = IDLE.request) -> Caller:
    """Return a caller whose call has ended, and explains nothing any more."""
    late = tuple(one._replace(is_own=False) for one in caller.late)
    return Caller(request, late=late)


def _callers(state: State) -> Iterator[tuple[int, int, Caller]]:
    for number, process in enumerate(state.processes, 1):
        for index, caller in enumerate(process.callers):
            yield number, index, caller


def _revoked(state: State, row: Row, **changes: object) -> State:
    """Change the row so that its claim is over."""
    truth = state.truth._replace(claim=0, process=0, is_handed_out=False, **changes)
    return state._replace(row=row, truth=truth)


def _handed_out(state: State, number: int, index: int, lease: Lease) -> State:
    """Give a caller the lease of its claim."""
    caller = state.processes[number - 1].callers[index]
    working = _after_call(caller, Request(Phase.WORKING, lease))
    after = _with_caller(state, number, index, working)
    if lease.claim:
        after = after._replace(truth=after.truth._replace(is_handed_out=True))
    return after


def _restarted(state: State, number: int, design: Design) -> State:
    """End a process, and start another one, which is another worker."""
    process, row, truth = state.processes[number - 1], state.row, state.truth
    killed, gone = state.killed, len(state.processes) + 1
    if row.worker == number and not design.one_id:
        row, killed = row._replace(worker=gone), process.lifetime
    if truth.process == number:
        truth = truth._replace(process=gone)
    after = State(row, state.processes, killed, truth)
    new = Process((IDLE,) * len(process.callers))
    after = after._replace(processes=_put(after.processes, number - 1, new))
    return _with_lifetime(after, worker_id(design, number), Lifetime.LIVE)


# Processes and clocks


def kill(state: State, case: Case) -> Steps:
    """A process is killed, and starts again."""
    for number in range(1, len(state.processes) + 1):
        yield Step(Kind.KILL, number), _restarted(state, number, case.design)


def clock(state: State, case: Case) -> Steps:
    """A worker expires, an expired one is removed, or a time of the row comes."""
    for worker in range(1, len(state.processes) + 2):
        alive = lifetime(state, worker)
        if alive == Lifetime.LIVE:
            yield Step(Kind.EXPIRE, worker), _with_lifetime(state, worker, Lifetime.EXPIRED)
        elif alive == Lifetime.EXPIRED:
            yield Step(Kind.REMOVE, worker), _removed(state, case.design, worker)
    if state.row.is_held_back:
        yield Step(Kind.TIME_COMES), state._replace(row=state.row._replace(is_held_back=False))


def _removed(state: State, design: Design, worker: int) -> State:
    row = state.row
    if design.scan == "given back" and (row.state, row.worker) == (ONGOING, worker):
        given_back = row._replace(token=row.token + 1, worker=NOBODY)
        state = _revoked(state, given_back, failures=state.truth.failures + 1)
    return _with_lifetime(state, worker, Lifetime.REMOVED)


# The thread of a worker that sends heartbeats, and reconciles what it reads with its leases


def _tokens(process: Process, design: Design) -> set[int]:
    """Return the tokens of the leases that a worker has."""
    tokens = {caller.lease.token for caller in process.callers}
    return tokens | {process.dropped} if design.dropped == "held" else tokens


def beat(state: State, case: Case) -> Steps:
    """A heartbeat is executed, and the rows that have the worker's id are read."""
    design, row = case.design, state.row
    for number, process in enumerate(state.processes, 1):
        if process.reading >= 0 or process.returning:
            continue
        me = worker_id(design, number)
        if lifetime(state, me) == Lifetime.REMOVED:
            yield Step(Kind.STOP, number), _restarted(state, number, design)
            continue
        is_working = any(caller.phase in WITH_LEASE for caller in process.callers)
        is_any = design.beat == "any" and is_working and row.state == ONGOING
        extended = row.worker if is_any and row.worker > NOBODY else me
        after = _with_lifetime(state, extended, Lifetime.LIVE)
        token = row.token if (row.state, row.worker) == (ONGOING, me) else 0
        is_held = not token or token in _tokens(process, design)
        if is_held:
            after = _with_process(after, number, suspect=0)
        if design.reconcile and (design.losses == "as compared" or not is_held):
            after = _with_process(after, number, reading=token)
        yield Step(Kind.BEAT, number), after
        if design.losses == "as read":
            yield from _notice_losses(after, number, token)


def _notice_losses(state: State, number: int, token: int) -> Steps:
    """Drop a lease that is not among what was read."""
    for index, caller in enumerate(state.processes[number - 1].callers):
        if caller.phase == Phase.WORKING and caller.lease.token != token:
            after = _with_caller(state, number, index, _after_call(caller))
            yield Step(Kind.NOTICE_LOSS, number, caller.lease), after


def compare(state: State, case: Case) -> Steps:
    """A worker compares what its heartbeat has read with the leases that it has now."""
    for number, process in enumerate(state.processes, 1):
        token = process.reading
        if token < 0:
            continue
        after = _with_process(state, number, reading=-1)
        if case.design.losses == "as compared":
            yield from _notice_losses(after, number, token)
        callers = process.callers
        if not token or token in _tokens(process, case.design):
            yield Step(Kind.COMPARE, number), _with_process(after, number, suspect=0)
        elif case.design.explain and process.suspect != token:
            marked = tuple(c._replace(explains=c.phase not in WITH_LEASE) for c in callers)
            suspecting = _with_process(after, number, callers=marked, suspect=token)
            yield Step(Kind.SUSPECT, number), suspecting
        elif case.design.explain and any(caller.explains for caller in callers):
            yield Step(Kind.SUSPECT, number), after
        else:
            disowned = _with_process(after, number, suspect=0, returning=token)
            yield Step(Kind.DISOWN, number), disowned


def reconcile(state: State, case: Case) -> Steps:
    """A worker gives back a row that has its id, and on which it has no lease."""
    row, truth = state.row, state.truth
    for number, process in enumerate(state.processes, 1):
        if not process.returning:
            continue
        after = _with_process(state, number, returning=0)
        yield Step(Kind.RECONCILE_IN_VAIN, number), after
        if (row.state, row.token) == (ONGOING, process.returning):
            counts = process.dropped == row.token
            attempts = (row.attempts or 0) - (not counts)
            given_back = row._replace(token=row.token + 1, worker=NOBODY, attempts=attempts)
            step = Step(Kind.RECONCILE, number, Lease(row.token, truth.claim))
            failures = truth.failures + truth.is_handed_out
            yield step, _revoked(after, given_back, failures=failures)


# Callers


def call(state: State, case: Case) -> Steps:
    """A caller's request is executed, and the answer may be lost; or its connection is cut."""
    for number, index, caller in _callers(state):
        for request in _requests(state, caller, case):
            yield from _executed(state, case, number, index, request)
            if not any(other.late for _, _, other in _callers(state)):
                unanswered = caller._replace(request=_unanswered(request), late=(Late(request),))
                yield Step(Kind.CUT, number), _with_caller(state, number, index, unanswered)


def _requests(state: State, caller: Caller, case: Case) -> list[Request]:
    """Return what a caller may send: it works for any time before it ends its lease."""
    if caller.phase in (Phase.LOOKING, Phase.READ, Phase.FENCED):
        return [caller.request]
    if caller.phase == Phase.ENDING and not (case.design.is_journaled and caller.is_recorded):
        return [caller.request]
    if caller.phase == Phase.WORKING:
        return [
            Request(Phase.ENDING, caller.lease, purpose=purpose)
            for purpose, kind in ENDS.items()
            if kind in case.kinds
            and (purpose != Purpose.RESCHEDULE or state.row.type == Type.CONTINUOUS)
        ]
    return []


def _unanswered(request: Request) -> Request:
    """Return what a request is to its caller, who got no answer."""
    is_claim = request.phase in (Phase.LOOKING, Phase.READ)
    return Request(Phase.UNANSWERED) if is_claim else request._replace(phase=Phase.ENDING)


def drop(state: State, case: Case) -> Steps:
    """A caller drops its lease, or checks it too late by the worker's own clock."""
    for number, index, caller in _callers(state):
        if caller.phase == Phase.WORKING:
            yield Step(Kind.DROP, number, caller.lease), _dropped(state, number, index, caller)


def _dropped(state: State, number: int, index: int, caller: Caller) -> State:
    after = _with_caller(state, number, index, _after_call(caller))
    token = caller.lease.token
    return _with_process(after, number, dropped=token) if token == state.row.token else after


def look(state: State, case: Case) -> Steps:
    """A caller that got no answer looks what its call has done, and sends it again if nothing."""
    for number, index, caller in _callers(state):
        if caller.phase == Phase.ENDING:
            yield Step(Kind.GIVE_UP, number), _dropped(state, number, index, caller)
            if case.design.is_journaled and caller.is_recorded:
                step = Step(Kind.ANSWER_DONE, number, is_recorded=True)
                yield step, _with_caller(state, number, index, _after_call(caller))
        elif caller.phase in (Phase.UNANSWERED, Phase.FOUND):
            over = _with_caller(state, number, index, _after_call(caller))
            yield Step(Kind.GIVE_UP, number), over
            if _finds_claim(state, case.design, number, caller):
                yield _found(state, case.design, number, index, caller)
            else:
                again = caller._replace(request=Request())
                yield Step(Kind.REPEAT, number), _with_caller(state, number, index, again)


def _finds_claim(state: State, design: Design, number: int, caller: Caller) -> bool:
    """Return whether a call finds a claim, which it takes for its own."""
    row = state.row
    if caller.phase == Phase.FOUND:
        return row.state == ONGOING
    if design.look == "call once":
        return row.state == ONGOING and caller.is_recorded
    if (row.state, row.worker) != (ONGOING, worker_id(design, number)):
        return False
    return {
        "call": caller.written == row.token,
        "second statement": caller.written == row.token,
        "worker": row.token not in _tokens(state.processes[number - 1], design),
        "nothing": False,
    }[design.look]


def _found(
    state: State, design: Design, number: int, index: int, caller: Caller
) -> tuple[Step, State]:
    if design.look == "second statement" and caller.phase == Phase.UNANSWERED:
        found = caller._replace(request=Request(Phase.FOUND))
        return Step(Kind.FIND, number), _with_caller(state, number, index, found)
    lease = Lease(state.row.token, state.truth.claim)
    return Step(Kind.ADOPT, number, lease), _handed_out(state, number, index, lease)


# The database


class Executed(NamedTuple):
    """What the database has executed: the state after it, and what its caller becomes."""

    step: Step
    state: State
    #: The caller's next request: by default it looks for work.
    answer: Request = Request()
    #: Whether the call goes on.
    is_read: bool = False
    #: The token that was written.
    written: int = 0


def _executed(state: State, case: Case, number: int, index: int, request: Request) -> Steps:
    """Execute a request; yield the steps whose answer arrives, and whose answer is lost."""
    caller = state.processes[number - 1].callers[index]
    step, after, answer, is_read, written = done = _execute(
        state, case.design, number, request, caller.is_recorded
    )
    if is_read:
        yield step, _with_caller(after, number, index, caller._replace(request=answer))
        return
    lost = caller._replace(request=_unanswered(request))
    if answer.phase == Phase.WORKING:
        yield step, _handed_out(after, number, index, answer.lease)
    elif step.kind == Kind.FIND_NOTHING and caller.written:
        # It was sent before, too, and that request has claimed the row: the caller looks again.
        yield step, _with_caller(after, number, index, lost)
    else:
        yield step, _with_caller(after, number, index, _after_call(caller))
    if written:
        unanswered = _with_caller(after, number, index, _recorded(lost, done))
        yield step._replace(is_unanswered=True), unanswered


def _recorded(caller: Caller, done: Executed) -> Caller:
    """Return a caller whose call has written."""
    return caller._replace(written=done.written, is_recorded=True)


def execute_late(state: State, case: Case) -> Steps:
    """The database executes a request whose caller takes it for lost."""
    for number, index, caller in _callers(state):
        for late in caller.late:
            done = _execute(state, case.design, number, late.request, False)
            after = caller._replace(late=())
            if done.written and late.is_own:
                after = _recorded(after, done)
            step = done.step._replace(is_late=True)
            if not done.written:
                step = Step(Kind.LATE_IN_VAIN, number)
            yield step, _with_caller(done.state, number, index, after)


def _execute(
    state: State, design: Design, number: int, request: Request, is_recorded: bool
) -> Executed:
    match request.phase:
        case Phase.LOOKING:
            return _claim(state, design, number)
        case Phase.READ:
            return _take_over(state, design, number, request)
    return _end(state, design, number, request, is_recorded)


def _claim(state: State, design: Design, number: int) -> Executed:
    row = state.row
    if row.state == PENDING:
        return _acquired(state, design, Step(Kind.CLAIM, number), 1)
    if is_due(row):
        return _acquired(state, design, Step(Kind.CLAIM_DUE, number), 1)
    if row.state == SUCCEEDED and row.type == Type.EVENT:
        return _acquired(state, design, Step(Kind.CLAIM_AGAIN, number), 1)
    if is_abandoned(state, design):
        read = Request(Phase.READ, Lease(row.token), row.attempts or 0)
        return Executed(Step(Kind.READ_ABANDONED, number), state, read, is_read=True)
    return Executed(Step(Kind.FIND_NOTHING, number), state)


def _take_over(state: State, design: Design, number: int, read: Request) -> Executed:
    row, truth = state.row, state.truth
    is_dead = is_abandoned(state, design)
    is_running = row.state == ONGOING
    is_same = is_running and row.token == read.lease.token
    guards = {
        "nothing": True,
        "state": is_running,
        "state and time": is_dead,
        "token": is_same,
        "token and time": is_dead and is_same,
    }
    if not guards[design.take_over]:
        return Executed(Step(Kind.FIND_NOTHING, number), state)
    failures = truth.failures + (row.worker > NOBODY)
    if read.attempts < ATTEMPTS:
        state = state._replace(truth=truth._replace(failures=failures))
        return _acquired(state, design, Step(Kind.TAKE_OVER, number), read.attempts + 1)
    failed = row._replace(state=FAILED, token=row.token + 1, worker=NULL, attempts=None)
    after = _revoked(state, failed, is_foreign=False, failures=failures)
    return Executed(Step(Kind.FAIL, number), after, written=failed.token)


def _acquired(state: State, design: Design, step: Step, attempts: int) -> Executed:
    row = state.row
    is_raised = step.kind != Kind.TAKE_OVER or design.take_over_raises
    lease = Lease(row.token + is_raised, state.truth.claim + 1)
    row = row._replace(
        state=ONGOING,
        token=lease.token,
        worker=worker_id(design, step.process),
        attempts=attempts,
        is_held_back=False,
    )
    after = _revoked(state, row)
    after = after._replace(truth=after.truth._replace(claim=lease.claim, process=step.process))
    working = Request(Phase.WORKING, lease)
    return Executed(step._replace(lease=lease), after, working, written=lease.token)


def _end(
    state: State, design: Design, number: int, request: Request, is_recorded: bool
) -> Executed:
    row, truth, lease = state.row, state.truth, request.lease
    is_running = row.state == ONGOING
    has_token = is_running and row.token == lease.token
    if design.finish == "token read before" and has_token and request.phase == Phase.ENDING:
        fenced = request._replace(phase=Phase.FENCED)
        return Executed(Step(Kind.READ_FENCE, number, lease), state, fenced, is_read=True)
    guards = {
        "token": has_token,
        "state": is_running,
        "worker": is_running and row.worker == worker_id(design, number),
        "token read before": is_running and request.phase == Phase.FENCED,
        "nothing": True,
    }
    if not guards[design.finish]:
        return Executed(Step(Kind.REJECT, number, lease, is_recorded), state)
    failures = truth.failures + (request.purpose == Purpose.GIVE_BACK)
    failures = 0 if request.purpose == Purpose.RESCHEDULE else failures
    after = _revoked(state, _without_lease(row, request.purpose), failures=failures)
    step = Step(ENDS[request.purpose], number, lease, is_recorded)
    return Executed(step, after, written=after.row.token)


def _without_lease(row: Row, purpose: Purpose) -> Row:
    """Return the row after its lease has ended."""
    row = row._replace(token=row.token + 1)
    match purpose:
        case Purpose.GIVE_BACK:
            return row._replace(worker=NOBODY, is_held_back=True)
        case Purpose.GIVE_BACK_UNCOUNTED:
            return row._replace(worker=NOBODY, attempts=(row.attempts or 0) - 1)
        case Purpose.RESCHEDULE:
            return row._replace(worker=NULL, attempts=0, is_held_back=True)
    return row._replace(state=SUCCEEDED, worker=NULL, attempts=None)


# Others that write the state


def operate(state: State, case: Case) -> Steps:
    """An operator writes a state, which needs no lease."""
    moves = {
        PENDING: [(Kind.CANCEL, CANCELLED)],
        ONGOING: [(Kind.CANCEL, CANCELLED), (Kind.SUSPEND, SUSPENDED)],
        SUSPENDED: [(Kind.RESUME, ONGOING), (Kind.DELETE, DELETED)],
        SUCCEEDED: [(Kind.DELETE, DELETED)],
    }
    for kind, new in moves.get(state.row.state, ()):
        row = written(state.row, new, case.design)
        if not case.design.plain_raises:
            row = row._replace(token=state.row.token)
        yield Step(kind), _revoked(state, row)


def written(row: Row, new: str, design: Design) -> Row:
    """Return the row after a plain write of a state."""
    row = row._replace(state=new, token=row.token + 1)
    if new == ONGOING:
        return row
    if new != SUSPENDED or design.pause == "cleared":
        return row._replace(worker=NULL, attempts=None, is_held_back=False)
    if row.worker <= NOBODY:
        return row
    counts = design.pause == "counted"
    return row._replace(worker=NOBODY, attempts=(row.attempts or 0) - (not counts))


def write_foreign(state: State, case: Case) -> Steps:
    """Another program, which knows no tokens, writes a state; a trigger may do the rest."""
    moves = {
        PENDING: [(Kind.FOREIGN_BEGIN, ONGOING)],
        ONGOING: [(Kind.FOREIGN_END, SUCCEEDED), (Kind.FOREIGN_SUSPEND, SUSPENDED)],
        SUSPENDED: [(Kind.FOREIGN_RESUME, ONGOING)],
        SUCCEEDED: [(Kind.FOREIGN_RESTART, ONGOING)] if state.row.type == Type.EVENT else [],
    }
    for kind, new in moves.get(state.row.state, ()):
        is_trigger = case.design.trigger
        row = written(state.row, new, case.design) if is_trigger else state.row._replace(state=new)
        # After a pause those go on who have worked before.
        is_begun = kind in (Kind.FOREIGN_BEGIN, Kind.FOREIGN_RESTART)
        is_foreign = is_begun or (new != SUCCEEDED and state.truth.is_foreign)
        yield Step(kind), _revoked(state, row, is_foreign=is_foreign)


#: What may happen in any state.
KINDS_OF_STEPS: tuple[Callable[[State, Case], Steps], ...] = (
    kill,
    clock,
    beat,
    compare,
    reconcile,
    call,
    drop,
    look,
    execute_late,
    operate,
    write_foreign,
)


def steps(state: State, case: Case) -> Steps:
    """Yield every step that may be next, and the state after it."""
    for kind in KINDS_OF_STEPS:
        for step, after in kind(state, case):
            if step.kind in case.kinds:
                yield step, after
