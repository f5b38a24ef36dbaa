# SPDX-License-Identifier: Apache-2.0
"""Medians, their spread, ratios, and tables of them in plain text."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks import gates
from benchmarks.environments import ALL, DRIVER, OURS, WATCHER

#: Seconds by operation, implementation and round.
Times = dict[str, dict[str, list[float]]]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the distance between the quartiles."""
    if len(values) < 2:
        return {"median": values[0], "spread": 0.0}
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "spread": high - low}


def paired(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Return the summary of ratios, each of two times of the same round."""
    return summary([a / b for a, b in zip(above, below, strict=True)])


def ratios(times: Times) -> dict[str, dict[str, dict[str, float]]]:
    """Return how many times as fast as Watcher ours is, and how many times the driver's time."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for op, by in times.items():
        ours, of_op = by.get(OURS.name), found.setdefault(op, {})
        if ours and WATCHER.name in by:
            of_op[WATCHER.name] = paired(by[WATCHER.name], ours)
        if ours and DRIVER.name in by:
            of_op[DRIVER.name] = paired(ours, by[DRIVER.name])
    return found


def text(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is set to the left, the others to the right."""
    lines = [list(head), *map(list, body)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            c.rjust(w) if n else c.ljust(w)
            for n, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def figure(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def spread(found: dict[str, float] | None, scale: float = 1.0) -> str:
    """Return a median and its spread in a unit, or a dash."""
    if found is None:
        return "-"
    return f"{figure(found['median'] * scale)} ± {figure(found['spread'] * scale)}"


def medians(times: Times) -> str:
    """Return the table of microseconds of each implementation."""
    names = [name for name in ALL if any(name in by for by in times.values())]
    body = []
    for op, by in times.items():
        cells = [summary(by[name]) if name in by else None for name in names]
        body.append([op, *(spread(cell, 1e6) for cell in cells)])
    return text(["median ± spread, µs", *(ALL[name].title for name in names)], body)


def judged(times: Times, kind: str) -> str:
    """Return the table of ratios, each next to its goal."""
    body = []
    for op, of_op in ratios(times).items():
        gate, line = gates.of(op, kind), [op]
        for name, bound in ((WATCHER.name, "least"), (DRIVER.name, "most")):
            found = of_op.get(name)
            value, limit = found and found["median"], getattr(gate, name)
            line += [spread(found), gates.verdict(value, **{bound: limit})]
        body.append(line)
    return text(["ratio", "times as fast as Watcher", "gate", "driver's time", "gate"], body)


def as_json(times: Times, kind: str) -> dict[str, Any]:
    """Return times, medians, ratios and gates of a database."""
    found = ratios(times)
    return {
        op: {
            "seconds": {
                name: {**summary(values), "rounds": values} for name, values in by.items()
            },
            "ratios": found[op],
            "gates": gates.of(op, kind)._asdict(),
        }
        for op, by in times.items()
    }
