# SPDX-License-Identifier: Apache-2.0
"""Model checking: no sequence of steps of workers violates an invariant of claims."""

import pytest

from tests.chaos.tiers import long
from tests.claims.designs import DESIGN, NAIVE
from tests.claims.invariants import INVARIANTS
from tests.claims.model import is_due
from tests.claims.search import CONFIGURATIONS, LARGE_CONFIGURATIONS, search
from tests.claims.states import (
    ATTEMPTS,
    NOBODY,
    ONGOING,
    SUSPENDED,
    Kind,
    Lifetime,
    Phase,
)

#: Steps of naive designs.
NAIVE_STEPS = {Kind.READ_FENCE, Kind.FIND}
#: The number of states that each configuration has at least.
STATES = {
    "core": 2_500,
    "pause": 2_000,
    "give back": 3_500,
    "two callers": 3_500,
    "continuous": 5_000,
    "foreign": 5_000,
    "all of a continuous audit": 12_000,
    "all of an event audit": 12_000,
    "three callers": 60_000,
    "three workers": 20_000,
}


def callers(state):
    return [caller for process in state.processes for caller in process.callers]


def late(state):
    return [one for caller in callers(state) for one in caller.late]


def has_old_lease(state):
    return any(c.phase == Phase.WORKING and not c.lease.claim for c in callers(state))


def has_new_lease(state):
    return any(c.phase == Phase.WORKING and c.lease.claim for c in callers(state))


#: What must be reached, by configuration.
SITUATIONS = {
    "core": {
        "two workers have leases": lambda s: has_old_lease(s) and has_new_lease(s),
        "a worker that was killed is taken for alive": lambda s: s.killed == Lifetime.LIVE,
        "a worker was removed, and has the lease": lambda s: (
            has_new_lease(s)
            and s.row.worker in (1, 2)
            and s.processes[s.row.worker - 1].lifetime == Lifetime.REMOVED
        ),
        "a call explains a row without a lease": lambda s: any(
            p.suspect and c.explains and c.written for p in s.processes for c in p.callers
        ),
        "a worker is about to give back a row": lambda s: any(p.returning for p in s.processes),
        "a late takeover may succeed": lambda s: any(
            one.request.phase == Phase.READ and one.request.lease.token for one in late(s)
        ),
        "a late end may succeed, whose call is over": lambda s: any(
            one.request.phase == Phase.ENDING and one.request.lease.token and not one.is_own
            for one in late(s)
        ),
        "the journal contains an end whose answer was lost": lambda s: any(
            c.phase == Phase.ENDING and c.is_recorded for c in callers(s)
        ),
        "the last attempt is made": lambda s: s.row.attempts == ATTEMPTS and has_new_lease(s),
    },
    "pause": {
        "a row is paused while a worker has its lease": lambda s: (
            s.row.state == SUSPENDED and s.row.worker == NOBODY and has_old_lease(s)
        ),
        "a row is paused that nobody has claimed": lambda s: (
            s.row.state == ONGOING and s.row.worker == NOBODY and s.row.attempts == 0
        ),
    },
    "give back": {
        "a lease was dropped": lambda s: any(p.dropped for p in s.processes),
        "a row is given back for later": lambda s: s.row.is_held_back,
    },
    "two callers": {
        "one has the lease, and another's call has written": lambda s: (
            has_old_lease(s) and any(c.written for c in callers(s))
        ),
    },
    "continuous": {
        "a worker has an old lease when the row is due": lambda s: (
            is_due(s.row) and has_old_lease(s)
        ),
    },
    "foreign": {
        "another program and a worker work": lambda s: s.truth.is_foreign and has_old_lease(s),
    },
}


def check(configuration, states):
    """Check that the design holds, and return all states; each kind of step has been taken."""
    found = search(DESIGN, configuration)
    assert not found.violated, str(found)
    assert found.kinds == configuration.kinds - NAIVE_STEPS
    assert len(found.states) >= states
    return found.states


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_all_invariants_hold(name):
    states = check(CONFIGURATIONS[name], STATES[name])
    reached = {what for what, test in SITUATIONS[name].items() if any(map(test, states))}
    assert reached == SITUATIONS[name].keys()


@long
@pytest.mark.parametrize("name", LARGE_CONFIGURATIONS)
def test_all_invariants_hold_with_more_workers_or_steps(name):
    check(LARGE_CONFIGURATIONS[name], STATES[name])


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_design_violates_an_invariant(name):
    naive = NAIVE[name]
    assert naive.design != DESIGN
    found = search(naive.design, CONFIGURATIONS[naive.configuration], [naive.invariant])
    assert found.violated == naive.invariant
    assert found.trace


def test_each_invariant_is_violated_by_some_design():
    assert {naive.invariant for naive in NAIVE.values()} == {*INVARIANTS}
