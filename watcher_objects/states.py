# SPDX-License-Identifier: Apache-2.0
"""The life-cycles: which state may follow which.

The tables are total: every state is a key, a final one has an empty set. They are asked by
people through :meth:`StateTransitionManager.check_transition` and by every write of a state
through :meth:`StateTransitionManager.condition`, which the UPDATE carries in its WHERE.
"""

import enum
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol


class State:
    """The states of an audit."""

    PENDING = "PENDING"
    ONGOING = "ONGOING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


class AuditType(enum.Enum):
    """How often an audit runs: once, every interval, or whenever it is triggered."""

    ONESHOT = "ONESHOT"
    CONTINUOUS = "CONTINUOUS"
    EVENT = "EVENT"


class ConditionalMove(NamedTuple):
    """A move beside the table, legal only for rows whose columns hold these values."""

    initial: str
    new: str
    condition: Mapping[str, Any]

    def __str__(self) -> str:
        told = ", ".join(f"{name} is {value}" for name, value in self.condition.items())
        return f"{self.new}  (if {told})"


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
        if cls.check_transition(initial, new):
            return {}
        for move in cls.CONDITIONAL_MOVES:
            if (move.initial, move.new) == (initial, new):
                return move.condition
        return None

    @classmethod
    def allowed(cls, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the states that this row may go to now, sorted by name."""

        def may(new: str) -> bool:
            needed = cls.condition(row["state"], new)
            return needed is not None and needed.items() <= row.items()

        return tuple(sorted(filter(may, cls.TRANSITIONS)))

    @classmethod
    def diagram(cls) -> str:
        """Return the tables as a drawing: each state, and arrows to those that may follow."""
        width = max(map(len, cls.TRANSITIONS))
        lines: list[str] = []
        for initial, following in cls.TRANSITIONS.items():
            arrows = [new for new in cls.TRANSITIONS if new in following]
            arrows += [str(move) for move in cls.CONDITIONAL_MOVES if move.initial == initial]
            lines += _drawn(initial.ljust(width), arrows)
        return "\n".join(lines)


def _drawn(initial: str, arrows: list[str]) -> list[str]:
    if not arrows:
        return [f"{initial} (final)"]
    if len(arrows) == 1:
        return [f"{initial} ─────▶ {arrows[0]}"]
    space = " " * len(initial)
    starts = [f"{initial} ──┬", *[f"{space}   ├"] * (len(arrows) - 2), f"{space}   └"]
    return [f"{start}──▶ {new}" for start, new in zip(starts, arrows, strict=True)]


class AuditStateTransitionManager(StateTransitionManager):
    """The life-cycle of an audit, as OpenStack Watcher documents it.

    An audit of type EVENT may be triggered again after it succeeded: the one conditional
    move, which :meth:`check_transition` does not know.
    """

    INITIAL = State.PENDING
    TRANSITIONS = {
        State.PENDING: frozenset({State.ONGOING, State.CANCELLED}),
        State.ONGOING: frozenset(
            {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SUSPENDED}
        ),
        State.SUSPENDED: frozenset({State.ONGOING, State.DELETED}),
        State.SUCCEEDED: frozenset({State.DELETED}),
        State.FAILED: frozenset({State.DELETED}),
        State.CANCELLED: frozenset({State.DELETED}),
        State.DELETED: frozenset(),
    }
    INACTIVE_STATES = (State.CANCELLED, State.DELETED, State.FAILED, State.SUSPENDED)
    CONDITIONAL_MOVES = (
        ConditionalMove(State.SUCCEEDED, State.ONGOING, {"audit_type": AuditType.EVENT.value}),
    )
