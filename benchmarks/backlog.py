# SPDX-License-Identifier: Apache-2.0
"""How long claims take among many audits, the newest of which wait: of ours alone."""

import contextlib
import random
import sys
from typing import Any

from benchmarks import gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS
from benchmarks.processes import Process

MODULE = "benchmarks.backlogged"
CALLS = 10
#: Rows among which enough wait for all claims.
FEWEST = 300_000


def _measured(worker: Process, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of all calls."""
    calls = worker.ask("calls")
    times: dict[str, list[float]] = {call: [] for call in calls}
    for _ in range(rounds):
        for call in random.sample(calls, len(calls)):
            times[call] += worker.ask("time", call=call, count=CALLS)
    times["heartbeat for 1,000 claims"] = worker.ask("beat", count=CALLS)
    times["claim after 10,000, old snapshot"] = worker.ask("old_snapshot")
    return times


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    if options.rows < FEWEST:
        sys.exit(f"--rows must be at least {FEWEST}")
    with contextlib.ExitStack() as stack:
        url = bench.database(stack, base, OURS, options.rows, shape="backlog")
        found = _measured(stack.enter_context(bench.process(OURS, url, MODULE)), options.rounds)
    body = []
    for call, times in found.items():
        summary = tables.summary(times)
        verdict = gates.verdict(summary["median"] * 1e3, most=gates.BACKLOG)
        body.append([call, tables.spread(summary, 1e3), verdict])
    print(tables.text([f"{options.rows} audits", "ms", "gate"], body), end="\n\n", flush=True)
    return found
