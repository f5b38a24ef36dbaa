# SPDX-License-Identifier: Apache-2.0
"""The history of a class: what each of its versions changed.

A class's ``history`` has all its versions in their order, each with the release that brought it
and its changes. The last of them is the class's ``VERSION``::

    history = {
        "1.0": Released("0.32"),
        "1.1": Released("ocata", AddedRelation("goal"), Added("force", False)),
    }

A version that is in no release of Watcher has the changes alone, as a tuple.

From it primitives of the newest version are made into those of any other, and back. A change
of a field's type or meaning is two functions, of which the one to the older form raises
ValueError where there is none.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from watcher_objects import exception
from watcher_objects.versions import NAMES

#: Fields and their primitive values, which the functions here change in place.
Data = dict[str, Any]


class Change(Protocol):
    """What happened to one field from one version to the next."""

    @property
    def field(self) -> str:
        """The field's name."""

    def to_older(self, data: Data) -> None:
        """Convert data to the version before this change."""

    def to_newer(self, data: Data) -> None:
        """Convert data to the version with this change."""


History = Mapping[str, Sequence[Change]]


class Released(tuple[Change, ...]):
    """The changes of a version, and the release that introduced it."""

    release: str

    def __new__(cls, release: str, *changes: Change) -> Self:
        """Return the changes.

        :raises ValueError: there is no such release
        """
        if release not in NAMES:
            raise ValueError(f"There is no release {release}; expected one of {', '.join(NAMES)}")
        made = super().__new__(cls, changes)
        made.release = release
        return made


@dataclass(frozen=True)
class Added:
    """A field was added. Objects of older versions get its default.

    :ivar default: a primitive value, or a function of the other fields that returns it
    """

    field: str
    default: Any = None

    def to_older(self, data: Data) -> None:
        """Remove the field."""
        data.pop(self.field, None)

    def to_newer(self, data: Data) -> None:
        """Fill the field in."""
        is_made = callable(self.default)
        data[self.field] = self.default(data) if is_made else copy.copy(self.default)


@dataclass(frozen=True)
class AddedRelation(Added):
    """A related object was added. In objects of older versions it is loaded lazily."""

    def to_newer(self, data: Data) -> None:
        """Leave the field unset."""
        data.pop(self.field, None)


@dataclass(frozen=True)
class Removed:
    """A field was removed. Its value is kept for older versions, and else is None there."""

    field: str

    def to_older(self, data: Data) -> None:
        """Add the field."""
        data.setdefault(self.field, None)

    def to_newer(self, data: Data) -> None:
        """Leave the field: the caller of :func:`to_newer` keeps its value."""


@dataclass(frozen=True)
class Changed:
    """A field's type or meaning changed; None stays None."""

    field: str
    older: Callable[[Any], Any]
    newer: Callable[[Any], Any]

    def to_older(self, data: Data) -> None:
        """Convert the field to its older form."""
        self._convert(data, self.older)

    def to_newer(self, data: Data) -> None:
        """Convert the field to its newer form."""
        self._convert(data, self.newer)

    def _convert(self, data: Data, convert: Callable[[Any], Any]) -> None:
        if data.get(self.field) is not None:
            data[self.field] = convert(data[self.field])


def since(history: History, version: str) -> Sequence[Change]:
    """Return the changes after a version, in order."""
    versions = list(history)
    return [c for later in versions[versions.index(version) + 1 :] for c in history[later]]


def removed(history: History) -> frozenset[str]:
    """Return the fields that only older versions have."""
    steps = (change for changes in history.values() for change in changes)
    return frozenset(change.field for change in steps if isinstance(change, Removed))


def to_older(objname: str, changes: Sequence[Change], data: Data, version: str) -> None:
    """Convert the data of the newest version to another version.

    :param changes: those since that version
    :raises NoOlderForm: that version cannot represent the value of a field
    """
    for change in reversed(changes):
        try:
            change.to_older(data)
        except ValueError as error:
            where = {"objname": objname, "field": change.field, "version": version}
            raise exception.NoOlderForm(reason=str(error), **where) from error


def to_newer(changes: Sequence[Change], data: Data) -> None:
    """Convert the data of a version to the newest version.

    :param changes: those since the version
    :raises InvalidValue: a value is invalid in that version
    """
    for change in changes:
        change.to_newer(data)
