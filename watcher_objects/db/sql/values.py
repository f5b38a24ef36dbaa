# SPDX-License-Identifier: Apache-2.0
"""Validation of the values of columns, alike for every database.

SQLite checks no lengths, PostgreSQL takes no NUL, MariaDB cuts or refuses by its mode; so
this is not left to them.
"""

import functools
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.fields import coercion
from watcher_objects.fields.json_limits import MAX_DEPTH as MAX_DEPTH
from watcher_objects.fields.json_limits import MAX_DOCUMENT as MAX_DOCUMENT

#: The widest INTEGER that all three databases hold.
MAX_INTEGER = 2**31 - 1
#: The same for BIGINT.
MAX_BIG_INTEGER = 2**63 - 1
#: Bytes of a text in MariaDB's TEXT, which has no length of its own.
MAX_TEXT = 2**16 - 1
_TOO_LONG = f"takes at most {MAX_DOCUMENT} bytes of JSON"


@functools.cache
def largest(column: sa.Column[Any]) -> int:
    """Return the largest whole number that a column can hold."""
    return MAX_BIG_INTEGER if isinstance(column.type, sa.BigInteger) else MAX_INTEGER


@functools.cache
def comparable(table: sa.Table) -> Sequence[str]:
    """Return the names of the columns whose values have an order: all but documents."""
    return tuple(c.name for c in table.columns if not {"json", "internal"} & c.info.keys())


def storable(column: sa.Column[Any], value: Any) -> Any:
    """Return the value as it is bound in a statement.

    :raises InvalidValue: the column can't hold it; the error names column, kind and rule
    """
    if value is None:
        if column.nullable:
            return None
        raise coercion.refuse(column.name, value, "must have a value")
    if "json" in column.info:
        return _document(column, value)
    return _judge(column)(column, value)


@functools.cache
def _judge(column: sa.Column[Any]) -> Callable[[sa.Column[Any], Any], Any]:
    for kind, judge in _JUDGES:
        if isinstance(column.type, kind):
            return judge
    raise NotImplementedError(f"no rule for values of {column.type!r}")


def _text(column: sa.Column[Any], value: Any) -> str:
    text = value if type(value) is str else coercion.to_text(column.name, value)
    if "any_text" in column.info:
        text = exception.replace_unstorable(text)
    length = getattr(column.type, "length", None)
    if length is not None and len(text) > length:
        rule = f"takes at most {length} characters, not {len(text)}"
        raise coercion.refuse(column.name, value, rule)
    if "\0" in text:
        raise coercion.refuse(column.name, value, "takes no NUL character")
    try:
        if len(text.encode()) > MAX_TEXT:
            raise coercion.refuse(column.name, value, f"takes at most {MAX_TEXT} bytes")
    except UnicodeEncodeError:
        rule = "takes no half of a surrogate pair"
        raise coercion.refuse(column.name, value, rule) from None
    return text


def _integer(column: sa.Column[Any], value: Any) -> int:
    number = value if type(value) is int else coercion.to_integer(column.name, value)
    limit = largest(column)
    if -limit <= number <= limit:
        return number
    rule = f"takes whole numbers from {-limit} to {limit}"
    raise coercion.refuse(column.name, value, rule)


def _number(column: sa.Column[Any], value: Any) -> float:
    number = coercion.to_number(column.name, value)
    with suppress(OverflowError):
        # Not -0.0, which two of the databases don't keep.
        stored = float(number) + 0.0
        if stored == number:
            return stored
    raise coercion.refuse(column.name, value, "takes whole numbers up to 2**53, and fractions")


def _boolean(column: sa.Column[Any], value: Any) -> bool:
    return value if type(value) is bool else coercion.to_boolean(column.name, value)


def _time(column: sa.Column[Any], value: Any) -> Any:
    return coercion.to_utc(column.name, value).replace(tzinfo=None)


_JUDGES: tuple[tuple[type, Callable[[sa.Column[Any], Any], Any]], ...] = (
    (sa.Boolean, _boolean),
    (sa.Integer, _integer),
    (sa.Double, _number),
    (sa.DateTime, _time),
    (sa.String, _text),
)


def _document(column: sa.Column[Any], value: Any) -> str:
    top = column.info["json"]
    rule = f"takes a {top.__name__} of JSON values, with text as keys"
    if not isinstance(value, top):
        raise coercion.refuse(column.name, value, rule)
    if problem := beyond_bounds(value):
        raise coercion.refuse(column.name, value, problem)
    try:
        text = json.dumps(value, allow_nan=False)
        # A key that is a number, a tuple, an enum: JSON takes them, and gives something else.
        faithful = json.loads(text) == value
    except (TypeError, ValueError):
        faithful = False
    if not faithful:
        raise coercion.refuse(column.name, value, rule)
    if len(text) > MAX_DOCUMENT:
        raise coercion.refuse(column.name, value, _TOO_LONG)
    return text


def beyond_bounds(value: Any) -> str | None:
    """Return the problem of a document that is too deep or too long to be encoded, or None.

    The search is depth first, so that it ends soon if the document contains itself. A value that
    occurs twice counts twice, as it would be written.
    """
    waiting, length = [(value, 1)], 0
    while waiting:
        container, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return f"takes at most {MAX_DEPTH} levels"
        children = container.values() if isinstance(container, dict) else container
        length += 2 * len(container) + sum(len(c) for c in children if isinstance(c, str))
        if length > MAX_DOCUMENT:
            return _TOO_LONG
        inner = [c for c in children if isinstance(c, dict | list | tuple)]
        waiting += [(child, depth + 1) for child in inner]
    return None
