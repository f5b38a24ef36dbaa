# SPDX-License-Identifier: Apache-2.0
"""Workers in chaos: nothing is done twice, lost or left; planted faults are found."""

import pytest

from tests import servers
from tests.chaos.faults import FAULTS
from tests.chaos.harness import Run
from tests.chaos.tiers import LONG
from tests.chaos.workers import workers

#: Each fault on one database by turns; in the long tier on all.
PLANTED = [
    (kind, name)
    for number, name in enumerate(n for n, fault in FAULTS.items() if fault.scenario == "workers")
    for kind in (servers.KINDS if LONG else [servers.KINDS[number % len(servers.KINDS)]])
]


def test_workers_do_all_work_once(target):
    report = workers(Run([target], kills=500 if LONG else 8))
    assert report.findings == []
    assert report.figures["takeovers"] > 0
    assert report.figures["run to their end"] > 0


@pytest.mark.parametrize(("shared_url", "name"), sorted(PLANTED), indirect=["shared_url"])
def test_a_planted_fault_of_claims_is_found(target, name):
    # Most show when a worker goes on that was taken for dead, which not every run has.
    run = Run([target], kills=8, fault=name)
    assert any(FAULTS[name].found in workers(run).kinds() for _ in range(5))
