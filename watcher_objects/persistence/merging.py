# SPDX-License-Identifier: Apache-2.0
"""The three-way merge of values: the one that was read, and those of two writers."""

import enum
from collections.abc import Sequence
from typing import Any


class Missing(enum.Enum):
    """The type of :data:`MISSING`."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


#: Stands for the value of a key that a document does not contain.
MISSING = Missing.MISSING


class Clash(Exception):
    """Two writers have changed a value differently; ``path`` is its position in the document."""

    def __init__(self, path: Sequence[str], base: Any, mine: Any, theirs: Any) -> None:
        super().__init__("two writers have changed a value differently")
        self.path = tuple(path)
        self.base, self.mine, self.theirs = base, mine, theirs


def merge(base: Any, mine: Any, theirs: Any, path: Sequence[str] = ()) -> Any:
    """Return ``theirs`` with the difference between ``base`` and ``mine``.

    Dicts are merged key by key; lists and all other values are one value each. A change that
    both have made is one change.

    :raises Clash: both have changed the same value, and differently
    """
    if same(base, mine) or same(mine, theirs):
        return theirs
    if same(base, theirs):
        return mine
    # What both have added is merged, too.
    known = {} if base is None or base is MISSING else base
    if not all(type(one) is dict for one in (known, mine, theirs)):
        raise Clash(path, base, mine, theirs)
    merged = {}
    for key in (*theirs, *(key for key in mine if key not in theirs)):
        was, my, their = (one.get(key, MISSING) for one in (known, mine, theirs))
        if (value := merge(was, my, their, (*path, key))) is not MISSING:
            merged[key] = value
    return merged


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON; unlike with ``==``, True is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
