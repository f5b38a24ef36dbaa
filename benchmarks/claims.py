# SPDX-License-Identifier: Apache-2.0
"""How many audits a second several processes claim, next to a loop that lists and tries."""

import contextlib
import random
from typing import Any

from benchmarks import gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import BY_HAND, OURS, Implementation
from benchmarks.processes import Process

MODULE = "benchmarks.claiming"
PROCESSES = 8
#: Audits that have ended, before those that wait, and how many those are.
ENDED, WAITING = 20_000, 400
#: How each process works, and what it does.
WAYS = {
    "list, save ONGOING": (OURS, "loop"),
    "claim_next": (OURS, "single"),
    "claim_many of 10": (OURS, "batches"),
    "the driver alone": (BY_HAND, "single"),
    "the driver alone, 10 at once": (BY_HAND, "batches"),
}
LOOP = "list, save ONGOING"


def worked(workers: list[Process], how: str, **options: Any) -> dict[str, float]:
    """Have all processes work until there is nothing left to do."""
    for worker in workers:
        worker.ask("prepare", **options)
    for worker in workers:
        worker.send("work", how=how)
    found = [worker.receive() for worker in workers]
    for worker in workers:
        worker.ask("leave")
    done = sum(one["done"] for one in found)
    took = max(one["ended"] for one in found) - min(one["begun"] for one in found)
    rejected = sum(one["rejected"] for one in found)
    return {"done": done, "per second": done / took, "rejected": rejected / max(done, 1)}


def _rounds(
    workers: dict[Implementation, list[Process]], rounds: int
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in random.sample([*WAYS], len(WAYS)):
            one, how = WAYS[way]
            workers[OURS][0].ask("reset", number=WAITING)
            found[way].append(worked(workers[one], how))
    return found


def _line(way: str, found: dict[str, list[dict[str, float]]], kind: str) -> list[str]:
    def of(way: str, name: str) -> list[float]:
        return [one[name] for one in found[way]]

    one, how = WAYS[way]
    rate = tables.spread(tables.summary(of(way, "per second")))
    ratio = tables.paired(of(way, "per second"), of(LOOP, "per second"))
    rejected = tables.summary(of(way, "rejected"))["median"]
    if one is BY_HAND:
        return [way, rate, tables.spread(ratio), "", "", ""]
    if way == LOOP:
        return [way, rate, "", "", f"{rejected:.2f}", ""]
    reached = gates.verdict(ratio["median"], least=gates.CLAIMS[kind][how])
    few = gates.verdict(rejected, most=gates.REJECTED)
    return [way, rate, tables.spread(ratio), reached, f"{rejected:.2f}", few]


def started(
    bench: Bench, stack: contextlib.ExitStack, url: str, one: Implementation
) -> list[Process]:
    """Return processes of an implementation that work on a database."""
    module = MODULE if one is OURS else None
    return [stack.enter_context(bench.process(one, url, module)) for _ in range(PROCESSES)]


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    bench.environments.python(BY_HAND)
    with contextlib.ExitStack() as stack:
        url = bench.database(stack, base, OURS, ENDED + WAITING, shape="ended")
        workers = {one: started(bench, stack, url, one) for one in (OURS, BY_HAND)}
        found = _rounds(workers, options.rounds)
    body = [_line(way, found, bench.kind(base)) for way in WAYS]
    head = [f"{PROCESSES} processes", "claims per s", "ratio", "gate", "rejected per claim", ""]
    print(tables.text(head, body), end="\n\n", flush=True)
    return found
