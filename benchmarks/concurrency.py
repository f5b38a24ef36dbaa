# SPDX-License-Identifier: Apache-2.0
"""How many saves a second several processes make, of different audits of one database."""

import contextlib
from collections import Counter
from typing import Any

from benchmarks import tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS, WATCHER, Implementation

PROCESSES, SAVES = (1, 2, 4, 8), 250
ROWS = max(PROCESSES) * SAVES


def _measured(bench: Bench, one: Implementation, url: str, number: int) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(bench.process(one, url)) for _ in range(number)]
        for place, worker in enumerate(workers):
            worker.ask("hold", first=1 + place * SAVES, count=SAVES)
        for worker in workers:
            worker.send("save_held")
        counts = [worker.receive() for worker in workers]
    errors: Counter[str] = sum((Counter(one["errors"]) for one in counts), Counter())
    took = max(one["ended"] for one in counts) - min(one["begun"] for one in counts)
    done = number * SAVES - errors.total()
    return {"saves per second": round(done / took, 1), "errors": dict(errors)}


def _cell(found: dict[str, Any]) -> str:
    errors = ", ".join(f"{count} times {error}" for error, count in found["errors"].items())
    return f"{found['saves per second']:.0f} ({errors or 'no errors'})"


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    found: dict[str, Any] = {}
    compared = [one for one in options.implementations if one in (OURS, WATCHER)]
    for one in compared:
        with contextlib.ExitStack() as stack:
            url = bench.database(stack, base, one, ROWS)
            found[one.name] = {n: _measured(bench, one, url, n) for n in PROCESSES}
    body = [[str(n), *(_cell(found[one.name][n]) for one in compared)] for n in PROCESSES]
    head = [f"processes, {SAVES} saves each", *(f"{one.title}, saves per s" for one in compared)]
    print(tables.text(head, body), end="\n\n", flush=True)
    return found
