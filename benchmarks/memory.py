# SPDX-License-Identifier: Apache-2.0
"""How many bytes listed objects take, kept and at the peak."""

import contextlib
from typing import Any

from benchmarks import gates, tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS, WATCHER, Implementation

ROWS, BATCH = 10_000, 1000
HOW = ("list", "list + read", "list eager")


def _measured(bench: Bench, base: str, one: Implementation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        url = bench.database(stack, base, one, ROWS)
        for how in HOW:
            with bench.process(one, url) as worker:
                found[how] = worker.ask("memory", how=how)
        if one is OURS:
            with bench.process(one, url) as worker:
                found["iterate"] = worker.ask("iterate", batch=BATCH)
    return found


def _share(found: dict[str, Any], how: str, what: str, most: float) -> str:
    if WATCHER.name not in found or OURS.name not in found:
        return ""
    share = float(found[OURS.name][how][what] / found[WATCHER.name][how][what])
    return f"{what} {share:.2f} of Watcher's, {gates.verdict(share, most=most)}"


def _iteration(iterated: dict[str, float] | None) -> str:
    if iterated is None:
        return "Audit.iterate is not there yet: skipped"
    peak, number = iterated["peak"], iterated["objects"]
    return f"Audit.iterate(batch={BATCH}) over {number:.0f} objects: peak {peak:.0f} bytes"


def run(bench: Bench, base: str, options: Any) -> dict[str, Any]:
    """Measure on a database, print, and return it."""
    found = {one.name: _measured(bench, base, one) for one in options.implementations}
    body = [
        [
            one.title,
            *(f"{found[one.name][h]['kept']:.0f} / {found[one.name][h]['peak']:.0f}" for h in HOW),
        ]
        for one in options.implementations
    ]
    print(tables.text([f"bytes per object of {ROWS}, kept / peak", *HOW], body))
    for how, (kept, peak) in gates.MEMORY.items():
        shares = _share(found, how, "kept", kept), _share(found, how, "peak", peak)
        print(*filter(None, (how, *shares)), sep="; ")
    if OURS.name in found:
        print(_iteration(found[OURS.name]["iterate"]))
    print(flush=True)
    return found
