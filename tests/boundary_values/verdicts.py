# SPDX-License-Identifier: Apache-2.0
"""The expected outcome of an input: it is read back, or refused with a message."""

import reprlib
from typing import Any, NamedTuple

from watcher_objects import exception

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 300


class Read(NamedTuple):
    """The value that is read back."""

    value: Any


class Refusal(NamedTuple):
    """The error's class, and its whole message, in which ``{field}`` and ``{kind}`` are filled."""

    error: type[Exception]
    message: str
    #: Whether a filter refuses the value, too.
    by_filters: bool = True


#: Read back as it was given.
SAME = Read(...)


def rule(allowed, by_filters=True, given="{kind}"):
    """Refuse a value of a field: this is what it takes."""
    message = f"{{field}} {allowed}, got {given}"
    return Refusal(exception.InvalidValue, message, by_filters)


def in_a_filter(verdict):
    """Return how a filter says what a field refuses."""
    message = f"Invalid filter {{field}}: {verdict.message}"
    return Refusal(exception.InvalidFilter, message)


def kind(value):
    """Name the kind of a value, as messages do."""
    return "None" if value is None else f"a value of type {type(value).__name__}"


def outcome(call):
    """Call, and return the result, or class and message of the error."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error)


def expected(verdict, given=None, field=""):
    """Return the same of a verdict."""
    if isinstance(verdict, Read):
        return given if verdict is SAME else verdict.value
    message = verdict.message.replace("{field}", field).replace("{kind}", kind(given))
    return verdict.error.__name__, message


def same(one, other):
    """Return whether two values are equal and of one type."""
    return type(one) is type(other) and one == other


def shown(value):
    """Show a value in a list of what went wrong, however large or deep it is."""
    try:
        return _brief.repr(value)
    except ValueError:
        return "a huge value"
