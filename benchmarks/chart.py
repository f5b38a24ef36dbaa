# SPDX-License-Identifier: Apache-2.0
"""A chart of the ratios, as an SVG that can be read on light and on dark."""

import math
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.environments import WATCHER

TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}
TITLE = "How many times as fast as python-watcher 17"
AXIS = "median of the ratios of each round, on a logarithmic scale; longer is faster"
STYLE = """
text { font: 12px sans-serif; fill: #24292f }
.paper { fill: #ffffff }
.title { font-size: 16px; font-weight: bold }
.grid { stroke: #8c959f; stroke-width: 0.5 }
.sqlite { fill: #0969da } .postgresql { fill: #bf5700 } .mysql { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .paper { fill: #0d1117 }
  .sqlite { fill: #58a6ff } .postgresql { fill: #f0883e } .mysql { fill: #3fb950 }
}
"""
LEFT, TOP, WIDTH, BAR, GAP = 160, 80, 560, 13, 12
MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

#: Ratios by operation and kind of database.
Ratios = dict[str, dict[str, float]]


def ratios(databases: dict[str, Any]) -> Ratios:
    """Return what is drawn of what was measured."""
    found: Ratios = {}
    for kind, told in databases.items():
        for op, figures in told.get("rounds", {}).get("operations", {}).items():
            if WATCHER.name in figures["ratios"]:
                found.setdefault(op, {})[kind] = figures["ratios"][WATCHER.name]["median"]
    return found


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _bar(y: float, length: float, kind: str, told: str) -> str:
    box = f'x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="{BAR - 2}"'
    return f'<rect class="{kind}" {box}><title>{escape(told)}</title></rect>'


class _Scale:
    """A logarithmic axis from 1 to a mark that is above all values."""

    def __init__(self, largest: float) -> None:
        self.end = next((mark for mark in MARKS[1:] if mark >= largest), MARKS[-1])

    def __call__(self, value: float) -> float:
        """Return how long the bar of a ratio is; of one below 1 there is none."""
        return WIDTH * math.log(min(max(value, 1), self.end)) / math.log(self.end)


def _bars(found: Ratios, scale: _Scale) -> Iterator[str]:
    y = float(TOP)
    for op, by in found.items():
        yield _text(LEFT - 8, y + len(by) * BAR / 2 + 4, op, "end")
        for kind, value in by.items():
            told = f"{value:.3g}×" if value < 100 else f"{value:.0f}×"
            yield _bar(y, scale(value), kind, f"{op}, {TITLES[kind]}: {told}")
            yield _text(LEFT + scale(value) + 4, y + BAR - 3, told)
            y += BAR
        y += GAP


def _grid(scale: _Scale, bottom: float) -> Iterator[str]:
    for mark in MARKS[: MARKS.index(scale.end) + 1]:
        x = LEFT + scale(mark)
        line = f'x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}"'
        yield f'<line class="grid" {line}/>'
        yield _text(x, bottom + 16, f"{mark}×", "middle")
    yield _text(LEFT + WIDTH / 2, bottom + 36, AXIS, "middle")


def _legend(kinds: list[str]) -> Iterator[str]:
    for place, kind in enumerate(kinds):
        x = LEFT + place * 120
        yield f'<rect class="{kind}" x="{x}" y="44" width="11" height="11"/>'
        yield _text(x + 16, 54, TITLES[kind])


def drawn(databases: dict[str, Any]) -> str:
    """Return the chart of what was measured."""
    found = ratios(databases)
    kinds = [kind for kind in TITLES if any(kind in by for by in found.values())]
    scale = _Scale(max((v for by in found.values() for v in by.values()), default=1.0))
    bottom = TOP + sum(len(by) * BAR + GAP for by in found.values())
    width, height = LEFT + WIDTH + 70, bottom + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{TITLE}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(LEFT, 26, TITLE, style="title"),
        *_legend(kinds),
        *_grid(scale, bottom),
        *_bars(found, scale),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
