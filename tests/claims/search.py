# SPDX-License-Identifier: Apache-2.0
"""The search through all states of a design, breadth first."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.claims import model
from tests.claims.designs import Design
from tests.claims.invariants import INVARIANTS, violations_by_state, violations_by_step
from tests.claims.reduction import in_order, reduced
from tests.claims.states import Case, Kind, State, Step, Type, initial

FOREIGN = frozenset(kind for kind in Kind if kind.name.startswith("FOREIGN"))
REMOVAL = frozenset({Kind.REMOVE, Kind.STOP})
PAUSE = frozenset({Kind.SUSPEND, Kind.RESUME, Kind.DELETE})
GIVE_BACK = frozenset({Kind.DROP, Kind.GIVE_BACK, Kind.GIVE_BACK_UNCOUNTED, Kind.TIME_COMES})
CONTINUOUS = frozenset({Kind.RESCHEDULE, Kind.CLAIM_DUE, Kind.TIME_COMES})
EVENT = frozenset({Kind.CLAIM_AGAIN})
CANCEL = frozenset({Kind.CANCEL})
#: What may happen in every configuration; some of it only with some naive designs.
BASE = frozenset(Kind) - FOREIGN - REMOVAL - PAUSE - GIVE_BACK - CONTINUOUS - EVENT - CANCEL


class Configuration(NamedTuple):
    """A number of workers and of their callers, and what may happen to them."""

    kinds: frozenset[Kind]
    callers: tuple[int, ...] = (1, 1)
    type: Type = Type.ONESHOT


#: Each is searched to its end.
CONFIGURATIONS = {
    "core": Configuration(BASE | REMOVAL | CANCEL),
    "pause": Configuration(BASE | PAUSE | CANCEL),
    "give back": Configuration(BASE | GIVE_BACK),
    "two callers": Configuration(BASE | GIVE_BACK, callers=(2,)),
    "continuous": Configuration(BASE | CONTINUOUS, type=Type.CONTINUOUS),
    "foreign": Configuration(BASE | EVENT | FOREIGN, type=Type.EVENT),
}
#: The same, with more workers, or with more that may happen.
LARGE_CONFIGURATIONS = {
    "all of a continuous audit": Configuration(
        BASE | REMOVAL | PAUSE | GIVE_BACK | CONTINUOUS | CANCEL, type=Type.CONTINUOUS
    ),
    "all of an event audit": Configuration(
        BASE | REMOVAL | PAUSE | GIVE_BACK | EVENT | FOREIGN | CANCEL, type=Type.EVENT
    ),
    "three callers": Configuration(BASE | REMOVAL | PAUSE | GIVE_BACK | CANCEL, callers=(2, 1)),
    "three workers": Configuration(BASE | REMOVAL | PAUSE | GIVE_BACK | CANCEL, callers=(1, 1, 1)),
}


@dataclass
class Result:
    """What a search has found; of a violation the shortest trace."""

    states: Collection[State] = ()
    kinds: set[Kind] = field(default_factory=set)
    violated: str = ""
    trace: list[Step] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{number}. {step}" for number, step in enumerate(self.trace, 1)]
        head = f"{len(self.states)} states; violated: {self.violated or 'none'}"
        return "\n".join([head, *lines])


#: The state from which each was reached first, and by what kind of step.
Origins = dict[State, tuple[State, Kind] | None]


def search(
    design: Design, configuration: Configuration, names: Collection[str] = INVARIANTS
) -> Result:
    """Search all states, or until one of the invariants is violated."""
    case = Case(design, configuration.kinds)
    first = initial(configuration.type, configuration.callers)
    origins: Origins = {first: None}
    waiting = deque([first])
    result = Result(origins.keys())
    while waiting:
        state = waiting.popleft()
        for step, changed in model.steps(state, case):
            result.kinds.add(step.kind)
            violated = violations_by_step(state, step, changed, design)
            after = _representative(changed, design)
            if after not in origins:
                origins[after] = (state, step.kind)
                waiting.append(after)
                violated += violations_by_state(after, case)
            if violated := [name for name in violated if name in names]:
                result.violated = violated[0]
                result.trace = _trace(origins, state, (step.kind, after), case)
                return result
    return result


def _representative(state: State, design: Design) -> State:
    return in_order(reduced(state, design), design)


def _trace(origins: Origins, state: State, last: tuple[Kind, State], case: Case) -> list[Step]:
    """Return the steps to a state, and a last one; each process keeps its number in them."""
    path = [last]
    while (origin := origins[state]) is not None:
        path.append((origin[1], state))
        state = origin[0]
    steps = []
    for wanted in reversed(path):
        step, changed = next(
            (step, changed)
            for step, changed in model.steps(state, case)
            if (step.kind, _representative(changed, case.design)) == wanted
        )
        steps.append(step)
        state = reduced(changed, case.design)
    return steps
