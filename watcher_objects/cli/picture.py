# SPDX-License-Identifier: Apache-2.0
"""Life-cycles as a picture."""

from collections.abc import Iterator

from watcher_objects.cli import svg
from watcher_objects.cli.diagram import Life, Lives, final, remark
from watcher_objects.cli.layout import BOX, Arrow, Layout, Spot, Stretch
from watcher_objects.transitions import PROFILES, Move

#: Heights: of a box, between rows, between lines of text, of the margin, above the first row.
HEIGHT, GAP, LINE, MARGIN, HEAD = 32, 56, 20, 24, 84
#: Widths: of a box, between the arrows at a box, and of the narrowest drawing.
WIDTH, PORT, NARROWEST = BOX - 26, 20, 340
#: The kinds of arrows, each with its colour and its dashes.
DOCUMENTED, CONDITIONAL, ADDED = ("line", "none"), ("first", "2 4"), ("second", "7 4")
#: The tips of arrows, drawn from where they point at.
DOWN, UP, RIGHT = "l-4.5 -8h9z", "l-4.5 8h9z", "l-8 -4.5v9z"


def drawn(lives: Lives, profile: str) -> str:
    """Return the life-cycles as one SVG, one below the other."""
    drawings = [_Drawing(name, life, profile) for name, life in lives.items()]
    top, parts = 0.0, []
    for drawing in drawings:
        inside = "\n".join(["", *drawing.parts(), ""])
        parts.append(svg.element("g", inside, transform=f"translate(0 {top:.0f})"))
        top += drawing.height
    title = f"States of {', '.join(f'{name.lower()}s' for name in lives)}"
    description = " ".join(drawing.told() for drawing in drawings)
    size = max(drawing.width for drawing in drawings), top
    return svg.document(title, description, size, parts)


def _kind(move: Move) -> tuple[str, str]:
    if move.profile != PROFILES[0]:
        return ADDED
    return CONDITIONAL if move.condition else DOCUMENTED


class _Drawing:
    """One life-cycle of a picture."""

    def __init__(self, name: str, life: Life, profile: str) -> None:
        self.name, self.life = name, life
        self.moves = [*life.moves(profile)]
        touched = {life.INITIAL, *(state for move in self.moves for state in move[:2])}
        others = [state for state in life.TRANSITIONS if state not in touched]
        self.final = final(life, self.moves)
        self.unused = f"Not entered: {', '.join(others)}." if others else ""
        states = [*dict.fromkeys(s for s in (life.INITIAL, *life.TRANSITIONS) if s in touched)]
        self.layout = Layout(states, [Arrow(m.initial, m.new, _kind(m)) for m in self.moves])
        self.width = max(self.layout.width, NARROWEST) + 2 * MARGIN
        self.left = (self.width - self.layout.width) / 2
        self.legend = [*dict.fromkeys((_kind(move), _explained(move)) for move in self.moves)]
        self.bottom = self._top(len(self.layout.rows)) - GAP + LINE
        lines = len(self.legend) + bool(self.unused)
        self.height = self.bottom + LINE * lines + MARGIN

    def told(self) -> str:
        """Return the drawing in words."""
        moves = (f"{m.initial} to {m.new}{remark(m) and f' ({remark(m)})'}" for m in self.moves)
        return f"{self.name}: {', '.join(moves)}. {self.unused}".strip()

    def parts(self) -> Iterator[str]:
        """Yield what the drawing is made of, what is above all else last."""
        yield svg.text(MARGIN, 36, self.name, "ink title")
        yield from self._beginning()
        for stretch in self.layout.stretches:
            yield from self._drawn(stretch)
        for state, spot in self.layout.boxes.items():
            yield from self._box(state, spot)
        for number, (kind, told) in enumerate(self.legend):
            y = self.bottom + LINE * (number + 0.5)
            yield from _arrow(kind, f"M{MARGIN} {y:.1f}h36", MARGIN + 42, y, RIGHT)
            yield svg.text(MARGIN + 54, y + 4, told, "faint")
        if self.unused:
            yield svg.text(MARGIN, self.height - MARGIN - LINE / 2 + 4, self.unused, "faint")

    def _top(self, row: int) -> float:
        return HEAD + row * (HEIGHT + GAP)

    def _beginning(self) -> Iterator[str]:
        first = self.layout.boxes[self.life.INITIAL]
        x, y = self.left + first.x, self._top(first.row)
        yield svg.element("circle", style="line", cx=x, cy=y - 27, r=5)
        yield from _arrow(DOCUMENTED, f"M{x:.1f} {y - 27:.1f}v20", x, y, DOWN)

    def _box(self, state: str, spot: Spot) -> Iterator[str]:
        x, y = self.left + spot.x, self._top(spot.row)
        borders = [0, 3] if state in self.final else [0]
        for inset in borders:
            size = {"width": WIDTH - 2 * inset, "height": HEIGHT - 2 * inset, "rx": 8 - inset}
            place = {"x": x - WIDTH / 2 + inset, "y": y + inset, **size}
            yield svg.element("rect", style="box line-line", **place)
        yield svg.text(x, y + HEIGHT / 2 + 4, state, "ink", "middle")

    def _drawn(self, stretch: Stretch) -> Iterator[str]:
        upper, lower, kind, is_upward = stretch
        x, y = self._port(stretch, upper), self._top(upper.row) + HEIGHT
        to_x, to_y = self._port(stretch, lower), self._top(lower.row)
        # Under a tip there is no line.
        begin = y + 6 * (is_upward and bool(upper.name))
        end = to_y - 6 * (not is_upward and bool(lower.name))
        middle = (y + to_y) / 2
        through = "" if upper.name else f"M{x:.1f} {y - HEIGHT:.1f}V{y:.1f}"
        line = f"{through or f'M{x:.1f} {begin:.1f}'}C{x:.1f} {middle} {to_x:.1f} {middle} "
        tip = (x, y, UP) if is_upward else (to_x, to_y, DOWN)
        yield from _arrow(kind, f"{line}{to_x:.1f} {end:.1f}", *tip if stretch.end.name else ())

    def _port(self, stretch: Stretch, spot: Spot) -> float:
        """Return where a stretch meets a spot; those at a box stand side by side."""
        ends = self.layout.ends(spot, spot is stretch.upper)
        if not spot.name:
            return self.left + spot.x
        step = min(PORT, (WIDTH - PORT) / max(len(ends) - 1, 1))
        return self.left + spot.x + step * (ends.index(stretch) - (len(ends) - 1) / 2)


def _explained(move: Move) -> str:
    if move.profile != PROFILES[0]:
        return f"in the profile {move.profile} only"
    return remark(move) or "may follow"


def _arrow(
    kind: tuple[str, str], line: str, x: float = 0, y: float = 0, tip: str = ""
) -> Iterator[str]:
    colour, dashes = kind
    yield svg.element("path", style=f"{colour}-line", d=line, fill="none", dashes=dashes)
    if tip:
        yield svg.element("path", style=colour, d=f"M{x:.1f} {y:.1f}{tip}")
