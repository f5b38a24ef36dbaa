# SPDX-License-Identifier: Apache-2.0
"""Numbers as bars: in a terminal, and as a picture."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from prettytable import PrettyTable

from watcher_objects.cli import svg
from watcher_objects.exception import printable

#: Bars of a section; what is beyond them becomes one.
MOST = 20
#: Parts of a bar's last column in a terminal.
BLOCKS = "▏▎▍▌▋▊▉█"
#: Columns of a terminal between the bars and its edge, and that bars have at least.
SPACE, NARROWEST = 8, 10
#: Of a picture: lengths of the longest bar, the labels and the numbers; heights; the margin.
LENGTH, LABELS, NUMBERS, LINE, BAR, HEAD, MARGIN = 420, 230, 90, 22, 14, 40, 24
#: Of a label in a picture.
CHARACTERS = 34
COLOURS = ("first", "second", "third", "fourth")


class Bar(NamedTuple):
    """A number of a section of a chart."""

    section: str
    value: str | None
    number: int

    @property
    def label(self) -> str:
        """The value as it is shown."""
        return "none" if self.value is None else printable(self.value)


def sections(bars: Sequence[Bar]) -> Iterator[tuple[str, Sequence[Bar]]]:
    """Yield the sections with their bars, the last of which stands for all that are too many."""
    for name, found in itertools.groupby(bars, key=lambda bar: bar.section):
        shown = [*found]
        if len(shown) > MOST:
            others = shown[MOST - 1 :]
            told = f"{len(others)} others"
            shown[MOST - 1 :] = [Bar(name, told, sum(bar.number for bar in others))]
        yield name, shown


def text(bars: Sequence[Bar], out: TextIO) -> str:
    """Return the chart as text, as wide as the terminal, of what its encoding knows."""
    parted = [*sections(bars)]
    shown = [bar for _, found in parted for bar in found]
    columns = shutil.get_terminal_size().columns
    most = max((bar.number for bar in shown), default=0)
    labels = [_cut(bar.label, columns // 3) for bar in shown]
    numbers = [f"{bar.number:,}" for bar in shown]
    taken = max(map(len, labels), default=0) + max(map(len, numbers), default=0)
    room = max(columns - taken - SPACE, NARROWEST)
    table = PrettyTable(("label", "number", "bar"), header=False, border=False)
    table.align.update(label="l", number="r", bar="l")
    for bar, label, number in zip(shown, labels, numbers, strict=True):
        table.add_row([label, number, _blocks(bar.number, most, room, out)])
    lines = iter(table.get_string().splitlines())
    told = []
    for name, found in parted:
        told += [f"By {name}", *(f" {next(lines).rstrip()}" for _ in found), ""]
    return "\n".join(told)


def picture(title: str, subtitle: str, bars: Sequence[Bar]) -> str:
    """Return the chart as SVG."""
    parted = [*sections(bars)]
    most = max((bar.number for _, found in parted for bar in found), default=0)
    parts = [
        svg.text(MARGIN, MARGIN + 14, title, "ink title"),
        svg.text(MARGIN, MARGIN + 34, subtitle, "faint"),
    ]
    top = MARGIN + 44
    for number, (name, found) in enumerate(parted):
        parts.append(svg.text(MARGIN, top + HEAD - 12, f"By {name}", "ink heading"))
        top += HEAD
        for bar in found:
            parts += _row(bar, top, most, COLOURS[number % len(COLOURS)])
            top += LINE
    told = (
        f"{name}: {', '.join(f'{b.label} {b.number}' for b in found)}." for name, found in parted
    )
    size = LABELS + LENGTH + NUMBERS + 2 * MARGIN, top + MARGIN
    return svg.document(title, " ".join((f"{subtitle}.", *told)), size, parts)


def _row(bar: Bar, top: float, most: int, colour: str) -> Iterator[str]:
    left, base = MARGIN + LABELS, top + LINE / 2 + 4
    length = LENGTH * bar.number / most if bar.number else 0
    yield svg.text(left - 10, base, _cut(bar.label, CHARACTERS), "ink", "end")
    place = {"x": left, "y": top + (LINE - BAR) / 2, "height": BAR, "rx": 2}
    if bar.number:
        yield svg.element("rect", style=colour, width=max(length, 1), **place)
    yield svg.text(left + length + 8, base, f"{bar.number:,}", "faint")


def _blocks(number: int, most: int, room: int, out: TextIO) -> str:
    """Return a bar; of what is not nothing, something is seen."""
    eighths = max(8 * room * number // most, 1) if number else 0
    full, rest = divmod(eighths, 8)
    try:
        BLOCKS.encode(getattr(out, "encoding", None) or "utf-8")
    except UnicodeError:
        return "#" * (full + bool(rest))
    return BLOCKS[-1] * full + BLOCKS[:rest][-1:]


def _cut(label: str, length: int) -> str:
    return label if len(label) <= length else f"{label[: length - 3]}..."
