# SPDX-License-Identifier: Apache-2.0
"""Rounds: in each of them everything runs once, in random order, each in its own process."""

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import agreement, tables
from benchmarks.bench import Bench
from benchmarks.environments import Implementation
from benchmarks.processes import Process

ROWS = 2000


@contextlib.contextmanager
def at_work(
    bench: Bench, base: str, implementations: Sequence[Implementation]
) -> Iterator[dict[str, Process]]:
    """Yield a process for each implementation, with a database of its own."""
    with contextlib.ExitStack() as stack:
        yield {
            one.name: stack.enter_context(
                bench.process(one, bench.database(stack, base, one, ROWS))
            )
            for one in implementations
        }


def timed(workers: dict[str, Process], ops: Sequence[str], rounds: int) -> tables.Times:
    """Return the seconds of each operation, implementation and round."""
    times: tables.Times = {op: {} for op in ops}
    jobs = [(op, name) for op in ops for name in workers]
    for _ in range(rounds):
        random.shuffle(jobs)
        for op, name in jobs:
            took = workers[name].ask("time", op=op)
            if took is not None:
                times[op].setdefault(name, []).append(took)
    return {op: {n: by[n] for n in workers if n in by} for op, by in times.items()}


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Compare the implementations on a database, print that, and return it."""
    with at_work(bench, base, options.implementations) as workers:
        print(f"the same answers to {agreement.check(workers)} questions", flush=True)
        times = timed(workers, options.ops, options.rounds)
        versions = {name: worker.ask("versions") for name, worker in workers.items()}
    kind = bench.kind(base)
    print(f"\n{tables.medians(times)}\n\n{tables.judged(times, kind)}\n", flush=True)
    return {"operations": tables.as_json(times, kind), "versions": versions}
