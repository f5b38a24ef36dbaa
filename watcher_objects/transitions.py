# SPDX-License-Identifier: Apache-2.0
"""Life cycles: tables of transitions, queries on them, and their diagrams.

The tables are total: every state is a key, and a final state has an empty set. Callers query
them with :meth:`StateTransitionManager.check_transition`. Every UPDATE of a state has the result
of :meth:`StateTransitionManager.condition` in its WHERE clause.

There are two profiles. ``strict`` is what Watcher documents: assigning a state requests a
transition, which the table must list, even if it is the state that was read. ``watcher`` adds the
transitions of Watcher's own services; in it, assigning the state that was read requests nothing.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

PROFILES = ("strict", "watcher")
#: The state of soft-deleted rows in every life cycle.
DELETED = "DELETED"


class GuardedTransition(NamedTuple):
    """A transition that is legal only for rows with these values."""

    initial: str
    new: str
    condition: Mapping[str, Any]


class Move(NamedTuple):
    """A transition, for lists and diagrams."""

    initial: str
    new: str
    #: A further condition in words, or an empty text.
    condition: str = ""
    #: The first of ``PROFILES`` in which it is legal.
    profile: str = PROFILES[0]

    def __str__(self) -> str:
        arrow = "──▶" if self.profile == PROFILES[0] else "══▶"
        return f"{arrow} {self.new}{self.condition and f'  (if {self.condition})'}"


class HasState(Protocol):
    """An object with a state."""

    state: Any


class StateTransitionManager:
    """The rules of one class of objects; subclasses define the tables."""

    #: The state of a new row.
    INITIAL: ClassVar[str]
    #: The state of a row that waits for a worker; None if workers can't claim rows.
    WAITING: ClassVar[str | None] = None
    #: The state of a row that a worker has claimed; a transition leads there from ``WAITING``.
    RUNNING: ClassVar[str | None] = None
    #: Every state, and the states that may follow it.
    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]]
    #: The states in which an object is neither running nor waiting to run.
    INACTIVE_STATES: ClassVar[tuple[str, ...]]
    #: Further transitions that are legal for some rows.
    CONDITIONAL_MOVES: ClassVar[tuple[GuardedTransition, ...]] = ()
    #: The transitions that the profile ``watcher`` adds.
    WATCHER_MOVES: ClassVar[Mapping[str, frozenset[str]]] = {}
    #: Whether self-transitions are no-ops in the profile ``watcher``.
    WATCHER_SELF_TRANSITIONS: ClassVar[bool] = False
    #: Whether self-transitions are no-ops under these rules; set by :meth:`under`.
    SELF_TRANSITIONS: ClassVar[bool] = False
    #: Further states in which a row may be deleted together with its owner.
    END_WITH_OWNER: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @functools.cache
    def under(cls, profile: str) -> type["StateTransitionManager"]:
        """Return the rules for one of ``PROFILES``."""
        if profile == "strict":
            return cls
        nothing: frozenset[str] = frozenset()
        more = {s: to | cls.WATCHER_MOVES.get(s, nothing) for s, to in cls.TRANSITIONS.items()}
        rules = {"TRANSITIONS": more, "SELF_TRANSITIONS": cls.WATCHER_SELF_TRANSITIONS}
        return type(cls.__name__, (cls,), {**rules, "__doc__": cls.__doc__})

    @classmethod
    def check_transition(cls, initial: str | None, new: str | None) -> bool:
        """Return whether the table contains the transition; False for unknown states."""
        return new in cls.TRANSITIONS.get(initial, ())  # type: ignore[arg-type]

    @classmethod
    @functools.cache
    def held(cls) -> type["StateTransitionManager"]:
        """Return these rules for the worker that has claimed a row: it may stay as it is."""
        table = {s: to | {s} if s == cls.RUNNING else to for s, to in cls.TRANSITIONS.items()}
        return type(cls.__name__, (cls,), {"TRANSITIONS": table, "__doc__": cls.__doc__})

    @classmethod
    @functools.cache
    def paused(cls) -> frozenset[str]:
        """Return the states, other than ``WAITING``, from which a row may be running again."""
        leading = (state for state, after in cls.TRANSITIONS.items() if cls.RUNNING in after)
        return frozenset(leading) - {cls.WAITING, cls.RUNNING}

    @classmethod
    def is_inactive(cls, obj: HasState) -> bool:
        """Return whether the object is in one of ``INACTIVE_STATES``."""
        return obj.state in cls.INACTIVE_STATES

    @classmethod
    def condition(cls, initial: str | None, new: str) -> Mapping[str, Any] | None:
        """Return the values that a row must have for a transition, or None if it is illegal.

        :returns: a mapping of column to value; empty if the transition is unconditional
        """
        if cls.check_transition(initial, new) or (cls.SELF_TRANSITIONS and initial == new):
            return {}
        for move in cls.CONDITIONAL_MOVES:
            if (move.initial, move.new) == (initial, new):
                return move.condition
        return None

    @classmethod
    def allowed(cls, row: Mapping[str, Any], with_owner: bool = False) -> tuple[str, ...]:
        """Return the states that a row may change to, sorted by name.

        :param with_owner: whether the owner of the row is being deleted
        """
        initial = row["state"]

        def may(new: str) -> bool:
            if with_owner and new == DELETED and initial in (DELETED, *cls.END_WITH_OWNER):
                return True
            if new == initial and not cls.check_transition(initial, new):
                return False
            needed = cls.condition(initial, new)
            return needed is not None and needed.items() <= row.items()

        return tuple(sorted(filter(may, cls.TRANSITIONS)))

    @classmethod
    def moves(cls, profile: str = "strict") -> Iterator[Move]:
        """Yield all transitions in the order of the states."""
        for initial, following in cls.TRANSITIONS.items():
            yield from (Move(initial, new) for new in cls.TRANSITIONS if new in following)
            for move in cls.CONDITIONAL_MOVES:
                if move.initial == initial:
                    parts = (f"{name} is {value}" for name, value in move.condition.items())
                    yield Move(initial, move.new, ", ".join(parts))
            if initial in cls.END_WITH_OWNER:
                yield Move(initial, DELETED, "its owner is deleted")
            if profile == "watcher":
                more = cls.WATCHER_MOVES.get(initial, ())
                yield from (Move(initial, n, "", profile) for n in cls.TRANSITIONS if n in more)

    @classmethod
    def diagram(cls, profile: str = "strict") -> str:
        """Return a diagram in text: each state, with arrows to those that may follow.

        Double arrows are transitions that the profile ``watcher`` adds.
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
