# SPDX-License-Identifier: Apache-2.0
"""Bar charts for a terminal."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from prettytable import PrettyTable

from watcher_objects.exception import escape_control

#: The maximum number of bars in a section; the last one sums up the rest.
MAX_BARS = 20
#: Columns of a terminal for margins, and the minimum for the bars.
MARGIN, NARROWEST = 8, 10


class Bar(NamedTuple):
    """A number in a section of a chart."""

    section: str
    value: str | None
    number: int

    @property
    def label(self) -> str:
        """The value as it is shown."""
        return "none" if self.value is None else escape_control(self.value)


def sections(bars: Sequence[Bar]) -> Iterator[tuple[str, Sequence[Bar]]]:
    """Yield each section's name and at most ``MAX_BARS`` bars."""
    for name, group in itertools.groupby(bars, key=lambda bar: bar.section):
        shown = [*group]
        if len(shown) > MAX_BARS:
            rest = shown[MAX_BARS - 1 :]
            label = f"{len(rest)} others"
            shown[MAX_BARS - 1 :] = [Bar(name, label, sum(bar.number for bar in rest))]
        yield name, shown


def text(bars: Sequence[Bar], out: TextIO) -> str:
    """Return the chart, as wide as the terminal and in the encoding of ``out``."""
    grouped = [*sections(bars)]
    shown = [bar for _, group in grouped for bar in group]
    columns = shutil.get_terminal_size().columns
    largest = max((bar.number for bar in shown), default=0)
    labels = [_shorten(bar.label, columns // 3) for bar in shown]
    numbers = [f"{bar.number:,}" for bar in shown]
    used = max(map(len, labels), default=0) + max(map(len, numbers), default=0)
    width = max(columns - used - MARGIN, NARROWEST)
    block = _block(out)
    table = PrettyTable(("label", "number", "bar"), header=False, border=False)
    table.align.update(label="l", number="r", bar="l")
    for bar, label, number in zip(shown, labels, numbers, strict=True):
        # A number above zero has a bar, however small it is.
        table.add_row([label, number, block * -(-width * bar.number // max(largest, 1))])
    rows = iter(table.get_string().splitlines())
    lines = []
    for name, group in grouped:
        lines += [f"By {name}", *(f" {next(rows).rstrip()}" for _ in group), ""]
    return "\n".join(lines)


def _block(out: TextIO) -> str:
    try:
        "█".encode(getattr(out, "encoding", None) or "utf-8")
    except UnicodeError:
        return "#"
    return "█"


def _shorten(label: str, length: int) -> str:
    return label if len(label) <= length else f"{label[: length - 3]}..."
