# SPDX-License-Identifier: Apache-2.0
"""All that can be done to a database: each is a function of a run's options, and what it needs."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from tests.fire import claims, disturbances, kills, mix, nodes
from tests.fire.arena import Report, Run


class Need(NamedTuple):
    """What not every database has, in words, and whether that of a run does."""

    words: str
    is_met: Callable[[Run], bool]


DATABASE = Need("a database", lambda run: True)
NETWORK = Need("a network to a server", lambda run: not run.urls[0].startswith("sqlite"))
SERVER = Need("a server of our own", lambda run: len(run.servers) == 1)
CLUSTER = Need("a cluster of our own", lambda run: len(run.servers) > 1)


class Scenario(NamedTuple):
    """What is done, and on what."""

    run: Callable[[Run], Report]
    needs: Need = DATABASE


SCENARIOS = {
    "claims": Scenario(claims.run),
    "mix": Scenario(mix.run),
    "kills": Scenario(kills.run),
    "cut": Scenario(disturbances.cut, NETWORK),
    "restart": Scenario(functools.partial(disturbances.run, disturbances.restart), SERVER),
    "crash": Scenario(functools.partial(disturbances.run, disturbances.crash), SERVER),
    "freeze": Scenario(functools.partial(disturbances.run, disturbances.freeze), SERVER),
    "node-crash": Scenario(nodes.crash, CLUSTER),
    "failover": Scenario(nodes.failover, CLUSTER),
}
