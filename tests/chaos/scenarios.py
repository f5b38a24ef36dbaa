# SPDX-License-Identifier: Apache-2.0
"""All that can be done to a database: each is a function of a run's options, and what it needs."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from tests.chaos import claims, disturbances, kills, mix, nodes
from tests.chaos.arena import Report, Run
from tests.chaos.places import Need


class Scenario(NamedTuple):
    """What is done, and on what."""

    run: Callable[[Run], Report]
    needs: Need = Need.DATABASE


SCENARIOS = {
    "claims": Scenario(claims.run),
    "mix": Scenario(mix.run),
    "kills": Scenario(kills.run),
    "cut": Scenario(disturbances.cut, Need.NETWORK),
    "restart": Scenario(functools.partial(disturbances.run, disturbances.restart), Need.SERVER),
    "crash": Scenario(functools.partial(disturbances.run, disturbances.crash), Need.SERVER),
    "freeze": Scenario(functools.partial(disturbances.run, disturbances.freeze), Need.SERVER),
    "node-crash": Scenario(nodes.crash, Need.CLUSTER),
    "failover": Scenario(nodes.failover, Need.CLUSTER),
}


def needing(need: Need) -> list[str]:
    """Return the names of the scenarios that need just that."""
    return [name for name, scenario in SCENARIOS.items() if scenario.needs is need]
