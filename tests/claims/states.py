# SPDX-License-Identifier: Apache-2.0
"""The state of a model of claims: a row, the workers, and what is under way."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from tests.claims.designs import Design

PENDING, ONGOING, SUSPENDED = "PENDING", "ONGOING", "SUSPENDED"
SUCCEEDED, FAILED, CANCELLED, DELETED = "SUCCEEDED", "FAILED", "CANCELLED", "DELETED"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED, DELETED})

#: How often workers may begin to work on the row, if each of them fails.
ATTEMPTS = 2
#: In the column of the worker: nobody has claimed the row, or it was given back.
NULL, NOBODY = -1, 0


class Type(StrEnum):
    """The type of the audit that is in the row."""

    ONESHOT = "ONESHOT"
    CONTINUOUS = "CONTINUOUS"
    EVENT = "EVENT"


class Lifetime(StrEnum):
    """What the table of workers contains about one."""

    LIVE = "live"
    EXPIRED = "expired"
    REMOVED = "removed"


class Row(NamedTuple):
    """The row that workers claim."""

    type: Type
    state: str = PENDING
    token: int = 1
    #: The number of a process, or one more: the id of a worker that was killed.
    worker: int = NULL
    attempts: int | None = None
    #: Whether the time is yet to come at which the row is available, or due.
    is_held_back: bool = False


class Lease(NamedTuple):
    """What a claim or a takeover gives to its caller; 0 stands for an older token or claim.

    The number of the claim is not known to the system; only the invariants use it.
    """

    token: int = 0
    claim: int = 0


NO_LEASE = Lease()


class Phase(StrEnum):
    """What a caller is doing."""

    LOOKING = "has sent a claim"
    READ = "has read a row that is abandoned"
    UNANSWERED = "got no answer to its claim"
    FOUND = "has found its claim in the journal, and has not read the row"
    WORKING = "has a lease"
    FENCED = "has read that its lease is valid"
    ENDING = "got no answer when it ended its lease"


class Purpose(StrEnum):
    """How a caller ends its lease."""

    FINISH = "finishes the row"
    GIVE_BACK = "gives the row back"
    GIVE_BACK_UNCOUNTED = "gives the row back, not counted"
    RESCHEDULE = "reschedules the row"


class Request(NamedTuple):
    """What a caller sends to the database.

    The lease is that of the caller, or what was read for a takeover, with the attempts.
    """

    phase: Phase = Phase.LOOKING
    lease: Lease = NO_LEASE
    attempts: int = 0
    purpose: Purpose = Purpose.FINISH


class Late(NamedTuple):
    """A request on a lost connection: it will be executed, or never."""

    request: Request
    #: Whether the caller's call is still the one that has sent it.
    is_own: bool = True


class Caller(NamedTuple):
    """A thread of a worker, and its call."""

    request: Request = Request()
    #: The token that the call has written; 0: none, or others have written since.
    written: int = 0
    #: Whether the journal contains a write of the call.
    is_recorded: bool = False
    #: Whether the call was under way when the worker's heartbeat first saw a row without a lease.
    explains: bool = False
    late: tuple[Late, ...] = ()

    @property
    def phase(self) -> Phase:
        return self.request.phase

    @property
    def lease(self) -> Lease:
        """The lease that the caller has, or has not yet ended."""
        return self.request.lease if self.phase in WITH_LEASE else NO_LEASE


WITH_LEASE = frozenset({Phase.WORKING, Phase.FENCED, Phase.ENDING})
IDLE = Caller()


class Process(NamedTuple):
    """A process, which is one worker; of tokens, 0 stands for none."""

    callers: tuple[Caller, ...]
    lifetime: Lifetime = Lifetime.LIVE
    #: The token of a lease that was begun and dropped.
    dropped: int = 0
    #: Of the row that the last heartbeat has read, until it is compared; -1: it is.
    reading: int = -1
    #: Of a row without a lease, when it was seen first.
    suspect: int = 0
    #: Of the row that the worker is about to give back.
    returning: int = 0


class Truth(NamedTuple):
    """What nobody in the system knows; only the invariants use it."""

    #: The number of the newest claim, and its process; 0: it is over, or its process is.
    claim: int = 0
    process: int = 0
    #: Whether a caller has got the lease of the newest claim.
    is_handed_out: bool = False
    #: How many attempts have failed: the worker died, gave the row back, or dropped its lease.
    failures: int = 0
    #: Whether the other program works on the row.
    is_foreign: bool = False


class State(NamedTuple):
    """The row, the processes, and what the table contains about a worker that was killed."""

    row: Row
    processes: tuple[Process, ...]
    killed: Lifetime = Lifetime.REMOVED
    truth: Truth = Truth()


class Kind(StrEnum):
    """The kinds of steps."""

    KILL = "is killed, and starts again"
    EXPIRE = "has sent no heartbeat for too long"
    REMOVE = "is removed from the table of workers"
    TIME_COMES = "the time comes at which the row is available, or due"
    BEAT = "sends a heartbeat, and reads the rows that have its id"
    NOTICE_LOSS = "finds that a lease is lost"
    STOP = "finds that it was removed, and stops"
    COMPARE = "compares, and finds that it has the lease"
    SUSPECT = "compares, and finds a row that a call may have claimed"
    DISOWN = "compares, and finds a row on which it has no lease"
    RECONCILE = "gives back the row on which it has no lease"
    RECONCILE_IN_VAIN = "can't give back the row"
    CLAIM = "claims the row"
    CLAIM_DUE = "claims the row, which is due"
    CLAIM_AGAIN = "claims the row, which had succeeded"
    READ_ABANDONED = "reads that the row is abandoned"
    TAKE_OVER = "takes the row over"
    FAIL = "ends the row, which has no attempts left"
    FIND_NOTHING = "finds nothing to claim"
    CUT = "loses its connection, while its request is under way"
    LATE_IN_VAIN = "changes nothing by a late request"
    READ_FENCE = "reads that its lease is valid"
    FINISH = "finishes the row"
    GIVE_BACK = "gives the row back"
    GIVE_BACK_UNCOUNTED = "gives the row back, not counted"
    RESCHEDULE = "reschedules the row"
    REJECT = "is rejected"
    ANSWER_DONE = "is answered that its write took effect"
    REPEAT = "looks, and sends its claim again"
    FIND = "looks, and finds its claim in the journal"
    ADOPT = "looks, and gets the lease of its claim"
    GIVE_UP = "gives a call up, whose outcome is unknown"
    DROP = "drops a lease, or checks it too late"
    CANCEL = "an operator cancels"
    SUSPEND = "an operator suspends"
    RESUME = "an operator resumes"
    DELETE = "an operator deletes"
    FOREIGN_BEGIN = "another program begins to work"
    FOREIGN_END = "another program ends the row"
    FOREIGN_RESTART = "another program runs the row again"
    FOREIGN_SUSPEND = "another program suspends"
    FOREIGN_RESUME = "another program resumes"


#: The steps that end a lease.
ENDS = {purpose: Kind[purpose.name] for purpose in Purpose}


class Step(NamedTuple):
    """A step: its kind, the process that takes it, and the lease that it is about."""

    kind: Kind
    process: int = 0
    lease: Lease = NO_LEASE
    #: Whether the journal contains a write of the call.
    is_recorded: bool = False
    is_unanswered: bool = False
    is_late: bool = False

    def __str__(self) -> str:
        who = f"worker {self.process} " if self.process else ""
        late = " by a late request" if self.is_late else ""
        return f"{who}{self.kind}{late}{'; the answer is lost' if self.is_unanswered else ''}"


class Case(NamedTuple):
    """A design, and the kinds of steps that may happen."""

    design: Design
    kinds: frozenset[Kind]


Steps = Iterator[tuple[Step, State]]


def initial(type: Type, callers: tuple[int, ...]) -> State:
    """Return the first state: a process for each number of callers, and a row that is PENDING."""
    return State(Row(type), tuple(Process((IDLE,) * count) for count in callers))


def worker_id(design: Design, number: int) -> int:
    """Return the id that a process has in the table of workers."""
    return 1 if design.one_id else number


def lifetime(state: State, worker: int) -> Lifetime:
    """Return what the table of workers contains about an id."""
    if worker <= NOBODY:
        return Lifetime.REMOVED
    is_killed = worker > len(state.processes)
    return state.killed if is_killed else state.processes[worker - 1].lifetime
