# SPDX-License-Identifier: Apache-2.0
"""The judge finds what is wrong: each fault that is planted, on every database."""

import pytest

from tests.chaos.arena import Run
from tests.chaos.faults import FAULTS
from tests.chaos.scenarios import SCENARIOS


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(target, name):
    run = Run([target], processes=3, audits=15, calls=100, kills=5, fault=name)
    scenario = SCENARIOS[FAULTS[name].scenario]
    # It shows when processes meet, which on a busy machine they may not at once.
    assert any(FAULTS[name].found in scenario.run(run).kinds() for _ in range(5))
