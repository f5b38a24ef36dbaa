# SPDX-License-Identifier: Apache-2.0
"""What holds under fire, by the verdict of a judge that does not ask the library."""

import pytest

from tests.fire import scenarios
from tests.fire.arena import Run


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_nothing_goes_wrong(target, name):
    report = scenarios.SCENARIOS[name](Run([target], processes=4, audits=100))
    assert report.findings == []
