# SPDX-License-Identifier: Apache-2.0
"""Where the boxes and the arrows of a drawing go.

A move leads down, to a row further below, but for those that lead back to where the life has
been. On its way through other rows an arrow has a lane of its own between the boxes, so none
crosses one; arrows of one kind that lead to one state share theirs. In each row the order is
the one with the fewest crossings that some sweeps up and down find, and then everything is
moved as near to what it is joined with as the distances allow.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: How wide a box is with the space around it, and a lane.
BOX, LANE = 144, 20
#: How often a better order is looked for, and better places then.
SWEEPS, STEPS = 8, 240
#: How much more a lane is drawn to where it goes on than to a box.
STRAIGHT = 8


class Arrow(NamedTuple):
    """A move to be drawn, and how: arrows of one kind look alike."""

    initial: str
    new: str
    kind: Any


class Spot:
    """A box, or a place in a lane, which has no name."""

    def __init__(self, row: int, name: str = "") -> None:
        self.row, self.name, self.x = row, name, 0.0
        self.width = BOX if name else LANE


class Stretch(NamedTuple):
    """The part of an arrow between two rows that follow one another."""

    upper: Spot
    lower: Spot
    kind: Any
    is_upward: bool

    @property
    def end(self) -> Spot:
        """The spot that the arrow comes to."""
        return self.upper if self.is_upward else self.lower

    def other(self, spot: Spot) -> Spot:
        """Return the other end."""
        return self.lower if spot is self.upper else self.upper


class Layout:
    """Spots by row, from left to right, and the stretches between them.

    :param states: each of them once, the initial one first
    """

    def __init__(self, states: Sequence[str], arrows: Collection[Arrow]) -> None:
        depths = _depths(states, arrows)
        self.boxes = {state: Spot(depths[state], state) for state in states}
        self._lanes: dict[tuple[int, object], Spot] = {}
        self.stretches = [*dict.fromkeys(s for arrow in arrows for s in self._stretches(arrow))]
        spots = [*self.boxes.values(), *self._lanes.values()]
        self.rows = [[s for s in spots if s.row == n] for n in range(max(depths.values()) + 1)]
        self._between = [[s for s in self.stretches if s.upper in row] for row in self.rows]
        self._joined = {spot: [s for s in self.stretches if spot in s[:2]] for spot in spots}
        self._order()
        self._place()

    def ends(self, spot: Spot, is_upper: bool) -> Sequence[Stretch]:
        """Return the stretches that begin or end below or above a spot, from left to right."""
        found = [s for s in self._joined[spot] if (s.upper is spot) is is_upper]
        return sorted(found, key=lambda s: s.other(spot).x)

    def _stretches(self, arrow: Arrow) -> Iterator[Stretch]:
        ends = [self.boxes[arrow.initial], self.boxes[arrow.new]]
        is_upward = ends[0].row > ends[1].row
        upper, lower = reversed(ends) if is_upward else ends
        lane = arrow if is_upward else arrow[1:]
        rows = range(upper.row + 1, lower.row)
        between = (self._lanes.setdefault((row, lane), Spot(row)) for row in rows)
        for one, other in itertools.pairwise([upper, *between, lower]):
            yield Stretch(one, other, arrow.kind, is_upward)

    def _order(self) -> None:
        """Find an order with few crossings: sort by what is joined, and exchange what helps."""
        found = []
        for sweep in range(SWEEPS):
            self._sort(is_down=sweep % 2 == 0)
            self._exchange()
            found.append((self._crossings(), [[*row] for row in self.rows]))
        self.rows = min(found, key=lambda one: one[0])[1]

    def _sort(self, is_down: bool) -> None:
        """Sort each row by the places of what is joined with it in the row above it, or below."""
        for row in self.rows if is_down else reversed(self.rows):
            places = self._places()
            middle = {}
            for spot in row:
                ends = self.ends(spot, is_upper=not is_down)
                middle[spot] = _mean([places[s.other(spot)] for s in ends] or [places[spot]])
            row.sort(key=middle.__getitem__)

    def _exchange(self) -> None:
        fewest = self._crossings()
        for row in self.rows:
            for one, other in itertools.combinations(range(len(row)), 2):
                row[one], row[other] = row[other], row[one]
                if (crossings := self._crossings()) < fewest:
                    fewest = crossings
                else:
                    row[one], row[other] = row[other], row[one]

    def _places(self) -> Mapping[Spot, int]:
        return {spot: place for row in self.rows for place, spot in enumerate(row)}

    def _crossings(self) -> int:
        places = self._places()
        ends = ([(places[s.upper], places[s.lower]) for s in found] for found in self._between)
        pairs = itertools.chain.from_iterable(itertools.combinations(e, 2) for e in ends)
        return sum((one[0] - other[0]) * (one[1] - other[1]) < 0 for one, other in pairs)

    def _place(self) -> None:
        for row in self.rows:
            _settle(row, [0.0] * len(row))
        for _ in range(STEPS):
            for row in self.rows:
                _settle(row, [self._wanted(spot) for spot in row])
        left = min(row[0].x - row[0].width / 2 for row in self.rows)
        self.width = max(row[-1].x + row[-1].width / 2 for row in self.rows) - left
        for spot in self._joined:
            spot.x -= left

    def _wanted(self, spot: Spot) -> float:
        found = [s.other(spot) for s in self._joined[spot]]
        # A lane would rather be straight than short.
        weights = [1 if other.name or spot.name else STRAIGHT for other in found]
        total = sum(weight * other.x for weight, other in zip(weights, found, strict=True))
        return total / sum(weights) if found else spot.x


def _depths(states: Sequence[str], arrows: Collection[Arrow]) -> Mapping[str, int]:
    """Return for each state the row that it is in: below all from which something leads on."""
    onward: dict[tuple[str, str], None] = {}
    seen = set()

    def follow(way: tuple[str, ...]) -> None:
        seen.add(way[-1])
        for initial, new, _ in arrows:
            if initial == way[-1] and new not in way:
                onward[initial, new] = None
                if new not in seen:
                    follow((*way, new))

    for state in states:
        if state not in seen:
            follow((state,))
    depths = dict.fromkeys(states, 0)
    for _ in states:
        for initial, new in onward:
            depths[new] = max(depths[new], depths[initial] + 1)
    return depths


def _settle(row: Sequence[Spot], wanted: Sequence[float]) -> None:
    """Move the spots of a row as near to where they want to be as their widths allow.

    Those that would overlap become a block, which is where its members want it on average.
    """
    offsets = [0.0]
    for one, other in itertools.pairwise(row):
        offsets.append(offsets[-1] + (one.width + other.width) / 2)
    blocks: list[list[float]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        blocks.append([want - offset])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    places = (_mean(block) for block in blocks for _ in block)
    for spot, place, offset in zip(row, places, offsets, strict=True):
        spot.x = place + offset


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
