# SPDX-License-Identifier: Apache-2.0
"""How long the first import takes, and how much memory, each time in a new process."""

import subprocess
from typing import Any

from benchmarks import tables
from benchmarks.bench import Bench
from benchmarks.environments import OURS, ROOT, WATCHER, Implementation

TIMES = 7
MEASURED = """
import resource, time
begun = time.perf_counter()
{statement}
took = time.perf_counter() - begun
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
STATEMENTS: dict[str, tuple[Implementation, str]] = {
    "import watcher_objects": (OURS, "import watcher_objects"),
    "from watcher import objects": (WATCHER, "from watcher import objects"),
    "... and objects.register_all()": (
        WATCHER,
        "from watcher import objects; objects.register_all()",
    ),
    "(nothing)": (OURS, "pass"),
}


def _once(bench: Bench, one: Implementation, statement: str) -> list[float]:
    program = MEASURED.format(statement=statement)
    command = [str(bench.environments.python(one)), "-W", "ignore", "-c", program]
    # Not in the checkout: everybody's modules are those that are installed.
    done = subprocess.run(command, cwd=ROOT / "docs", capture_output=True, text=True, check=True)  # noqa: S603 - an interpreter of ours
    return [float(word) for word in done.stdout.split()[-2:]]


def run(bench: Bench) -> dict[str, Any]:
    """Measure, print, and return it."""
    found: dict[str, Any] = {}
    for name, (one, statement) in STATEMENTS.items():
        took, peak = zip(*(_once(bench, one, statement) for _ in range(TIMES)), strict=True)
        found[name] = {"seconds": tables.summary(took), "KiB at peak": tables.summary(peak)}
    body = [
        [
            name,
            tables.spread(figures["seconds"], 1e3),
            tables.spread(figures["KiB at peak"], 1 / 1024),
        ]
        for name, figures in found.items()
    ]
    print(tables.text(["import", "ms", "peak RSS, MiB"], body), end="\n\n", flush=True)
    return found
