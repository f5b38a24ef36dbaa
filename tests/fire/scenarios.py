# SPDX-License-Identifier: Apache-2.0
"""All that can be done to a database: each is a function of a run's options."""

from collections.abc import Callable

from tests.fire import claims, kills, mix
from tests.fire.arena import Report, Run

SCENARIOS: dict[str, Callable[[Run], Report]] = {
    "claims": claims.run,
    "mix": mix.run,
    "kills": kills.run,
}
