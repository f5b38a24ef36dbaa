# SPDX-License-Identifier: Apache-2.0
"""How many audits a second processes claim on three nodes of a Galera cluster.

``python -m benchmarks.galera`` starts a cluster, and prints JSON: claims per second, how often a
node rejected one for each that succeeded (a retry), and how often one got nothing.
"""

import argparse
import json
import random
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import claims, databases, sql
from benchmarks.environments import OURS
from benchmarks.processes import Process
from tests.chaos import instances

PROCESSES = 6


def _conflicts(nodes: list[sql.Database]) -> int:
    """Return how many transactions the nodes have rejected."""
    names = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
    shown = [node.run(f"SHOW STATUS LIKE '{name}'")[0][1] for node in nodes for name in names]
    return sum(map(int, shown))


def _measured(workers: list[Process], nodes: list[sql.Database], how: str) -> dict[str, Any]:
    workers[0].ask("reset", number=claims.WAITING)
    before = _conflicts(nodes)
    found = claims.worked(workers, how)
    return {**found, "retries": (_conflicts(nodes) - before) / found["done"]}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ours = [how for one, how in claims.WAYS.values() if one is OURS]
    found: dict[str, list[dict[str, Any]]] = {how: [] for how in ours}
    with ExitStack() as stack:
        servers = stack.enter_context(instances.running("galera"))
        urls = stack.enter_context(instances.database([node.url for node in servers]))
        nodes = [sql.Database(url) for url in urls]
        databases.fill(nodes[0], 2000 + claims.WAITING, "ended")
        python = Path(sys.executable)
        started = (Process(python, claims.MODULE, urls[n % len(urls)]) for n in range(PROCESSES))
        workers = [stack.enter_context(one) for one in started]
        for _ in range(options.rounds):
            for how in random.sample([*found], len(found)):
                found[how].append(_measured(workers, nodes, how))
    medians = {
        how: {name: round(statistics.median(one[name] for one in rounds), 2) for name in rounds[0]}
        for how, rounds in found.items()
    }
    print(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
