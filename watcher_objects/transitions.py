# SPDX-License-Identifier: Apache-2.0
"""What a life-cycle is: a table of moves, the questions to it, and its drawing.

The tables are total: every state is a key, a final one has an empty set. They are asked by
people through :meth:`StateTransitionManager.check_transition` and by every write of a state
through :meth:`StateTransitionManager.condition`, which the UPDATE carries in its WHERE.

There are two profiles. ``strict`` is what Watcher documents. ``watcher`` adds the moves that
Watcher's own services make besides, for those who run them on this library.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

PROFILES = ("strict", "watcher")
#: The state of a row that is soft-deleted, in every life-cycle.
DELETED = "DELETED"


class ConditionalMove(NamedTuple):
    """A move beside the table, legal only for rows whose columns hold these values."""

    initial: str
    new: str
    condition: Mapping[str, Any]


class Move(NamedTuple):
    """A move as it is told to people."""

    initial: str
    new: str
    #: What must be so besides, in words; empty: nothing.
    condition: str = ""
    #: The first of the ``PROFILES`` that allows it.
    profile: str = PROFILES[0]

    def __str__(self) -> str:
        arrow = "──▶" if self.profile == PROFILES[0] else "══▶"
        return f"{arrow} {self.new}{self.condition and f'  (if {self.condition})'}"


class HasState(Protocol):
    """Anything with a state."""

    state: Any


class StateTransitionManager:
    """The rules of one stateful object; a subclass fills in the tables."""

    #: The state of a new row.
    INITIAL: ClassVar[str]
    #: Every state, and the states that may follow it.
    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]]
    #: The states in which nothing is going on, and nothing is expected to.
    INACTIVE_STATES: ClassVar[tuple[str, ...]]
    #: Moves that some rows may make beside the table.
    CONDITIONAL_MOVES: ClassVar[tuple[ConditionalMove, ...]] = ()
    #: What the profile ``watcher`` adds to the table.
    WATCHER_MOVES: ClassVar[Mapping[str, frozenset[str]]] = {}
    #: Whether to write the state that the row has already is no change; else it is refused.
    MAY_REPEAT: ClassVar[bool] = False
    #: The states, besides those that lead to DELETED, that end when the row's owner is deleted.
    END_WITH_OWNER: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @functools.cache
    def under(cls, profile: str) -> type["StateTransitionManager"]:
        """Return these rules as they are under one of the ``PROFILES``."""
        if profile == "strict":
            return cls
        nothing: frozenset[str] = frozenset()
        more = {s: to | cls.WATCHER_MOVES.get(s, nothing) for s, to in cls.TRANSITIONS.items()}
        return type(cls.__name__, (cls,), {"TRANSITIONS": more, "__doc__": cls.__doc__})

    @classmethod
    def check_transition(cls, initial: str | None, new: str | None) -> bool:
        """Tell whether the table allows the move; False for a state it does not know."""
        return new in cls.TRANSITIONS.get(initial, ())  # type: ignore[arg-type]

    @classmethod
    def is_inactive(cls, obj: HasState) -> bool:
        """Tell whether the object is in one of ``INACTIVE_STATES``."""
        return obj.state in cls.INACTIVE_STATES

    @classmethod
    def condition(cls, initial: str | None, new: str) -> Mapping[str, Any] | None:
        """Return what a row in ``initial`` must hold to go to ``new``; None: it never may.

        :returns: a mapping of column to value, empty where the table itself allows the move
        """
        if cls.check_transition(initial, new) or (cls.MAY_REPEAT and initial == new):
            return {}
        for move in cls.CONDITIONAL_MOVES:
            if (move.initial, move.new) == (initial, new):
                return move.condition
        return None

    @classmethod
    def allowed(cls, row: Mapping[str, Any], with_owner: bool = False) -> tuple[str, ...]:
        """Return the states that this row may go to now, sorted by name.

        :param with_owner: the row's owner is being deleted
        """

        def may(new: str) -> bool:
            if with_owner and new == DELETED and row["state"] in cls.END_WITH_OWNER:
                return True
            needed = cls.condition(row["state"], new)
            return needed is not None and needed.items() <= row.items()

        return tuple(sorted(new for new in cls.TRANSITIONS if new != row["state"] and may(new)))

    @classmethod
    def moves(cls, profile: str = "strict") -> Iterator[Move]:
        """Yield every move that some row may make, by the order of the states."""
        for initial, following in cls.TRANSITIONS.items():
            yield from (Move(initial, new) for new in cls.TRANSITIONS if new in following)
            for move in cls.CONDITIONAL_MOVES:
                if move.initial == initial:
                    told = (f"{name} is {value}" for name, value in move.condition.items())
                    yield Move(initial, move.new, ", ".join(told))
            if initial in cls.END_WITH_OWNER:
                yield Move(initial, DELETED, "its owner is deleted")
            if profile == "watcher":
                more = cls.WATCHER_MOVES.get(initial, ())
                yield from (Move(initial, n, "", profile) for n in cls.TRANSITIONS if n in more)

    @classmethod
    def diagram(cls, profile: str = "strict") -> str:
        """Return the tables as a drawing: each state, and arrows to those that may follow.

        A double arrow is a move that the profile ``watcher`` adds.
        """
        moves = [*cls.moves(profile)]
        entered = {move.new for move in moves}
        width = max(map(len, cls.TRANSITIONS))
        lines: list[str] = []
        for initial in cls.TRANSITIONS:
            arrows = [str(move) for move in moves if move.initial == initial]
            otherwise = "final" if initial in entered else "not entered"
            lines += _drawn(initial.ljust(width), arrows, otherwise)
        return "\n".join(lines)


def _drawn(initial: str, arrows: list[str], otherwise: str) -> list[str]:
    if not arrows:
        return [f"{initial} ({otherwise})"]
    if len(arrows) == 1:
        return [f"{initial} ───{arrows[0]}"]
    space = " " * len(initial)
    starts = [f"{initial} ──┬", *[f"{space}   ├"] * (len(arrows) - 2), f"{space}   └"]
    return [f"{start}{arrow}" for start, arrow in zip(starts, arrows, strict=True)]
