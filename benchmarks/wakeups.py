# SPDX-License-Identifier: Apache-2.0
"""How soon an idle worker claims a new audit, and what notifications cost those that create."""

import contextlib
import random
from typing import Any

from benchmarks import gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS
from benchmarks.processes import Process

MODULE = "benchmarks.waking"
WORKERS, CREATED = 4, 40
#: Seconds until workers are idle, that creating takes, and that writers write.
IDLE, CREATING, WRITING = 3, 25, 2
WRITERS = (1, 4, 8)
#: Whether creates notify, and whether a worker listens, which claims none of the audits.
WAYS = {"no notifications": (False, False), "nobody listens": (True, False)}
WAYS |= {"a worker listens": (True, True)}


def _latencies(processes: list[Process]) -> list[float]:
    """Return the seconds from the beginning of each create to the claim."""
    creator, *workers = processes
    for worker in workers:
        worker.send("claim", seconds=IDLE + CREATING)
    created = creator.ask("create", number=CREATED, after=IDLE)
    claimed: dict[str, float] = {}
    for worker in workers:
        claimed |= worker.receive()
    return [claimed[ident] - begun for ident, begun in created.items() if ident in claimed]


def _written(processes: list[Process], number: int, notifies: bool, listens: bool) -> float:
    """Return how many audits a second some processes create."""
    listener, *writers = processes
    if listens:
        listener.send("claim", seconds=WRITING + 1, audits=False)
    for writer in writers[:number]:
        writer.send("write", seconds=WRITING, notifies=notifies)
    found = sum(writer.receive() for writer in writers[:number])
    if listens:
        listener.receive()
    return found


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    rates: dict[int, dict[str, list[float]]] = {n: {way: [] for way in WAYS} for n in WRITERS}
    with contextlib.ExitStack() as stack:
        url = bench.database(stack, base, OURS, 2000, shape="ended")
        count = 1 + max(*WRITERS, WORKERS)
        processes = [stack.enter_context(bench.process(OURS, url, MODULE)) for _ in range(count)]
        latencies = _latencies(processes[: 1 + WORKERS])
        for _ in range(options.rounds):
            for number in WRITERS:
                for way in random.sample([*WAYS], len(WAYS)):
                    rates[number][way].append(_written(processes, number, *WAYS[way]))
    _print(latencies, rates, bench.kind(base))
    return {"latencies": latencies, "rates": rates}


def _print(latencies: list[float], rates: dict[int, dict[str, list[float]]], kind: str) -> None:
    summary, last = tables.summary(latencies), max(latencies) * 1e3
    verdict = gates.verdict(summary["median"] * 1e3, most=gates.WAKEUP[kind])
    print(f"from create to claim: {tables.spread(summary, 1e3)} ms, {verdict};", end=" ")
    print(f"{len(latencies)} claims, the longest took {last:.0f} ms\n")
    body = []
    for number, by in rates.items():
        cells = [tables.spread(tables.summary(by["no notifications"]))]
        cells += [
            tables.spread(tables.paired(by[way], by["no notifications"])) for way in [*WAYS][1:]
        ]
        body.append([str(number), *cells])
    head = ["writers", "creates per s, no notifications", *(f"ratio: {w}" for w in [*WAYS][1:])]
    print(tables.text(head, body), end="\n\n", flush=True)
