# SPDX-License-Identifier: Apache-2.0
"""What it costs to keep the changes of others: merges, and a counter of several processes."""

import contextlib
import random
from typing import Any

from benchmarks import gates, rows, tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS
from benchmarks.processes import Process

ROWS = 1000
MODULE = "benchmarks.merging"
WAYS = ("save", "merge", "save_if")
PROCESSES, INCREMENTS = (1, 2, 4, 8), 50


def _timed(process: Process, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way and round, without conflicts."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for way in WAYS:
        process.ask("time", how=way)
    for _ in range(rounds):
        for way in random.sample(WAYS, len(WAYS)):
            times[way].append(process.ask("time", how=way))
    return times


def _counted(workers: list[Process]) -> dict[str, Any]:
    """Return what is left of the increments of all, and how often each was tried."""
    ident = rows.ident(1)
    workers[0].ask("start", ident=ident)
    for one in workers:
        one.send("count", ident=ident, number=INCREMENTS)
    done = [one.receive() for one in workers]
    number = len(workers) * INCREMENTS
    took = max(one["ended"] for one in done) - min(one["begun"] for one in done)
    return {
        "increments": number,
        "lost": number - workers[0].ask("value", ident=ident),
        "tries": sum(one["tries"] for one in done) / number,
        "per second": number / took,
    }


def _print(times: dict[str, list[float]], counted: dict[int, dict[str, Any]]) -> None:
    body = []
    for way in WAYS:
        ratio = tables.paired(times[way], times["save"])
        median = tables.summary(times[way])["median"] * 1e6
        verdict = gates.verdict(ratio["median"], most=gates.MERGE) if way != "save" else ""
        figures = [tables.figure(median), f"{ratio['median']:.2f} ± {ratio['spread']:.2f}"]
        body.append([way, *figures, verdict])
    print(tables.text(["write", "µs", "of save's time", "gate"], body), end="\n\n")
    body = [
        [
            str(number),
            f"{one['lost']} of {one['increments']}",
            f"{one['tries']:.2f}",
            f"{one['per second']:.0f}",
            gates.verdict(one["tries"], most=gates.TRIES) if number <= gates.WRITERS else "",
        ]
        for number, one in counted.items()
    ]
    head = ["processes", "lost", "tries per increment", "per s", "gate"]
    print(tables.text(head, body), end="\n\n", flush=True)


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    with contextlib.ExitStack() as stack:
        url = bench.database(stack, base, OURS, ROWS)
        workers = [
            stack.enter_context(bench.process(OURS, url, MODULE)) for _ in range(max(PROCESSES))
        ]
        times = _timed(workers[0], options.rounds)
        counted = {number: _counted(workers[:number]) for number in PROCESSES}
    _print(times, counted)
    return {"writes": times, "counter": counted}
