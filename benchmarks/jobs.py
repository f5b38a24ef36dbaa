# SPDX-License-Identifier: Apache-2.0
"""How many jobs a second several processes do, from the claim to the end, next to job queues.

The jobs do nothing. All use PostgreSQL, each a database of its own.
"""

import contextlib
import random
from typing import Any

from benchmarks import claims, gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import JOB_QUEUES, OURS
from benchmarks.processes import Process

JOBS = 1000
HOWS = {"single": "one by one", "batches": "10 at once"}


def _measured(workers: list[Process], how: str) -> float:
    workers[0].ask("reset", number=JOBS)
    found = claims.worked(workers, how, finish=True)
    if found["done"] != JOBS:
        raise RuntimeError(f"{found['done']} of {JOBS} jobs were done by {workers[0].module}")
    return found["per second"]


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on PostgreSQL, print, and return it."""
    if bench.kind(base) != "postgresql":
        return {}
    for one in JOB_QUEUES:
        bench.environments.python(one)
    with contextlib.ExitStack() as stack:
        started = {}
        for one in (OURS, *JOB_QUEUES):
            url = bench.database(stack, base, one, claims.ENDED + JOBS, shape="ended")
            started[one] = claims.started(bench, stack, url, one)
        ways = [(one, how) for one in started for how in HOWS if how in gates.JOBS[one.name]]
        rates: dict[Any, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for one, how in random.sample(ways, len(ways)):
                rates[one, how].append(_measured(started[one], how))
    print(_text(rates), end="\n\n", flush=True)
    return {f"{one.name}, {how}": found for (one, how), found in rates.items()}


def _text(rates: dict[Any, list[float]]) -> str:
    body = []
    for (one, how), found in rates.items():
        ratio = tables.paired(rates[OURS, how], found)
        verdict = gates.verdict(ratio["median"], least=gates.JOBS[one.name][how])
        rate = tables.spread(tables.summary(found))
        body.append([f"{one.title}, {HOWS[how]}", rate, tables.spread(ratio), verdict])
    head = [f"{claims.PROCESSES} processes", "jobs per s", "ours, times as many", "gate"]
    return tables.text(head, body)
