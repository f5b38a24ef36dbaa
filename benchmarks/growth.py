# SPDX-License-Identifier: Apache-2.0
"""How much longer a call takes with many rows than with few: of ours alone."""

import contextlib
import random
from typing import Any

from benchmarks import gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS
from benchmarks.processes import Process

FEW = 1000
MODULE = "benchmarks.grown"


def _timed(workers: dict[int, Process], rounds: int) -> dict[str, dict[int, list[float]]]:
    """Return seconds by call, number of rows, and round."""
    calls = next(iter(workers.values())).ask("calls")
    jobs = [(call, size) for call in calls for size in workers]
    times: dict[str, dict[int, list[float]]] = {c: {s: [] for s in workers} for c in calls}
    for _ in range(rounds):
        random.shuffle(jobs)
        for call, size in jobs:
            times[call][size].append(workers[size].ask("time", call=call))
    return times


def _line(call: str, times: dict[int, list[float]], returned: list[int | None]) -> list[str]:
    few, many = times.values()
    ratio = tables.paired(many, few)
    cells = [tables.summary(values)["median"] * 1e6 for values in (few, many)]
    same = returned[0] == returned[1]
    rows = "" if same and returned[0] is None else " / ".join(map(str, returned[: 2 - same]))
    verdict = gates.verdict(ratio["median"], most=gates.GROWTH) if same else "not comparable"
    figures = [f"{ratio['median']:.2f} ± {ratio['spread']:.2f}", verdict]
    return [call, rows, *map(tables.figure, cells), *figures]


def _walk(worker: Process) -> dict[str, Any]:
    found: dict[str, Any] = worker.ask("walk")
    pages, chunk, size = found["pages"], found["chunk"], found["size"]
    first, last = found["first"], found["last"]
    print(f"a walk over {pages} pages of {size} by created_at, {found['rows']} rows:")
    print(f"the first {chunk} took {first:.3f} s, the last {chunk} {last:.3f} s,", end=" ")
    verdict = gates.verdict(last / first, most=gates.GROWTH)
    print(f"{last / first:.2f} times as long, {verdict}\n", flush=True)
    return found


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    with contextlib.ExitStack() as stack:
        workers = {}
        for size in (FEW, options.rows):
            url = bench.database(stack, base, OURS, size, shape="grown")
            workers[size] = stack.enter_context(bench.process(OURS, url, MODULE))
        returned = [worker.ask("returned") for worker in workers.values()]
        times = _timed(workers, options.rounds)
        body = [
            _line(call, by, [answers[call] for answers in returned]) for call, by in times.items()
        ]
        head = ["call", "rows", f"µs at {FEW}", f"µs at {options.rows}", "ratio", "gate"]
        print(tables.text(head, body), flush=True)
        walk = _walk(workers[options.rows])
    return {"calls": times, "returned": returned, "walk": walk}
