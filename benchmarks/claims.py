# SPDX-License-Identifier: Apache-2.0
"""How many audits a second several processes claim, next to a loop that lists and tries."""

import contextlib
import random
from typing import Any

from benchmarks import gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS
from benchmarks.processes import Process

MODULE = "benchmarks.claiming"
PROCESSES = 8
#: Audits that have ended, before those that wait, and how many those are.
ENDED, WAITING = 20_000, 400
WAYS = {"loop": "list, save ONGOING", "single": "claim_next", "batches": "claim_many of 10"}


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


def _rounds(workers: list[Process], rounds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {how: [] for how in WAYS}
    for _ in range(rounds):
        for how in random.sample([*WAYS], len(WAYS)):
            workers[0].ask("reset", number=WAITING)
            found[how].append(worked(workers, how))
    return found


def _line(how: str, found: dict[str, list[dict[str, float]]], kind: str) -> list[str]:
    def of(way: str, name: str) -> list[float]:
        return [one[name] for one in found[way]]

    rate = tables.spread(tables.summary(of(how, "per second")))
    rejected = tables.summary(of(how, "rejected"))["median"]
    if how == "loop":
        return [WAYS[how], rate, "", "", f"{rejected:.2f}", ""]
    ratio = tables.paired(of(how, "per second"), of("loop", "per second"))
    reached = gates.verdict(ratio["median"], least=gates.CLAIMS[kind][how])
    few = gates.verdict(rejected, most=gates.REJECTED)
    return [WAYS[how], rate, tables.spread(ratio), reached, f"{rejected:.2f}", few]


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    with contextlib.ExitStack() as stack:
        url = bench.database(stack, base, OURS, ENDED + WAITING, shape="ended")
        workers = [stack.enter_context(bench.process(OURS, url, MODULE)) for _ in range(PROCESSES)]
        found = _rounds(workers, options.rounds)
    body = [_line(how, found, bench.kind(base)) for how in WAYS]
    head = [f"{PROCESSES} processes", "claims per s", "ratio", "gate", "rejected per claim", ""]
    print(tables.text(head, body), end="\n\n", flush=True)
    return found
