# SPDX-License-Identifier: Apache-2.0
"""The coercion of values: what is accepted for each kind, and what it becomes.

A value that can't be coerced without guessing is rejected with
:class:`~watcher_objects.exception.InvalidValue`.
"""

import datetime
import decimal
import json
import math
import re
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from oslo_utils import strutils, timeutils

from watcher_objects import exception
from watcher_objects.fields import json_limits


def refuse(field: str, value: Any, allowed: str) -> exception.InvalidValue:
    """Return an error that names what ``field`` allows, without showing the value."""
    kind = "None" if value is None else f"a value of type {type(value).__name__}"
    return exception.InvalidValue(field=field, kind=kind, allowed=allowed)


def to_text(field: str, value: Any) -> str:
    """Return text: a string as it is, a whole number as its digits."""
    if isinstance(value, str):
        # Not str(value): of a member of an enum that would be the name.
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    raise refuse(field, value, "takes text")


def to_integer(field: str, value: Any) -> int:
    """Return a whole number, given as such or as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and len(value) < 20 and strutils.is_int_like(value):
        return int(value)
    raise refuse(field, value, "takes a whole number")


def to_number(field: str, value: Any) -> int | float:
    """Return a finite number, given as such or as text; a whole one as an int if it can be."""
    if isinstance(value, float):
        # Of a subclass, like numpy's, a plain one.
        number: int | float = float(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = int(value)
    elif isinstance(value, str | decimal.Decimal):
        number = _from_decimal(value)
    else:
        number = math.nan
    if not -sys.float_info.max <= number <= sys.float_info.max:
        raise refuse(field, value, "takes a finite number")
    return number


_DECIMAL = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def _from_decimal(value: str | decimal.Decimal) -> int | float:
    # Decimal takes underscores, and the digits of any script.
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return math.nan
    with suppress(decimal.InvalidOperation):
        exact = decimal.Decimal(value)
        if exact.is_finite() and (not exact or exact.adjusted() <= sys.float_info.max_10_exp):
            near = int(exact) if exact == exact.to_integral_value() else float(exact)
            return near if bool(near) == bool(exact) else math.nan
    return math.nan


def to_boolean(field: str, value: Any) -> bool:
    """Return True or False, given as such, as 0 or 1, or as a word like 'yes' or 'off'."""
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        try:
            return bool(strutils.bool_from_string(value, strict=True))
        except ValueError:
            pass
    raise refuse(field, value, "takes True or False")


# The digits after the microseconds.
_FINER = re.compile(r"[.,][0-9]{6}0*[1-9]")


def to_utc(field: str, value: Any) -> datetime.datetime:
    """Return a time in UTC, aware; a naive one is taken to be in UTC, text to be ISO 8601."""
    if _is_finer(value):
        raise refuse(field, value, "takes a time of whole microseconds")
    try:
        time = timeutils.parse_isotime(value) if isinstance(value, str) else value
        if isinstance(time, datetime.datetime):
            return _in_utc(time)
    except OverflowError:
        raise refuse(field, value, "takes a time that is in the years 1 to 9999 in UTC") from None
    except (TypeError, ValueError):
        pass
    raise refuse(field, value, "takes a datetime, or ISO 8601 text")


def _is_finer(value: Any) -> bool:
    """Return whether a time has a fraction of a microsecond."""
    if isinstance(value, str):
        return _FINER.search(value) is not None
    # Some subclasses have an attribute for it, with or without the microseconds.
    return isinstance(value, datetime.datetime) and getattr(value, "nanosecond", 0) % 1000 > 0


def _in_utc(time: datetime.datetime) -> datetime.datetime:
    """Return a plain datetime in UTC, also for instances of subclasses."""
    offset = time.utcoffset() or datetime.timedelta()
    date, clock = (time.year, time.month, time.day), (time.hour, time.minute, time.second)
    return datetime.datetime(*date, *clock, time.microsecond, datetime.UTC) - offset


def ago(field: str, value: Any, unit: str) -> datetime.datetime:
    """Return the naive UTC time that many hours, days, ... ago."""
    number = to_number(field, value)
    with suppress(OverflowError):
        if number >= 0:
            return timeutils.utcnow() - datetime.timedelta(**{unit: number})
    raise refuse(field, value, f"takes a number of {unit}, 0 or more, that ends after the year 0")


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def is_uuid(text: str) -> bool:
    """Return whether a text is a uuid in its canonical spelling."""
    return _UUID.fullmatch(text) is not None


def to_uuid(field: str, value: Any) -> str:
    """Return a uuid in its canonical form: 36 characters in lower case."""
    if type(value) is str and is_uuid(value):
        return value
    try:
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise refuse(field, value, "takes a uuid") from None


def from_json(field: str, value: Any, allowed: str) -> Any:
    """Return the value of a JSON text; return other types unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise refuse(field, value, allowed) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a decoded JSON object; reject duplicate keys, which would lose a value."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is there twice")
    return made


def sent_json(field: str, value: Any) -> Any:
    """Return a document from a message; reject text that is too large to be decoded."""
    try:
        if isinstance(value, str):
            json_limits.check(value)
    except ValueError as error:
        raise refuse(field, value, f"takes no such JSON text: {error}") from None
    return value


def to_json(field: str, value: Any) -> Any:
    """Return a JSON value, given as such or as JSON text."""
    allowed = "takes a JSON value with text as keys, or JSON text of one"
    value = from_json(field, value, allowed)
    try:
        if json.loads(json.dumps(value, allow_nan=False)) == value:
            return value
    except (TypeError, ValueError, RecursionError):
        pass
    raise refuse(field, value, allowed)


def to_dict(field: str, value: Any) -> dict[str, Any]:
    """Return a new dict from a mapping or from JSON text."""
    allowed = "takes a dict, or JSON text of one"
    made = from_json(field, value, allowed)
    if isinstance(made, Mapping):
        return dict(made)
    raise refuse(field, value, allowed)


def to_list(field: str, value: Any) -> list[Any]:
    """Return a new list from a list, a tuple or JSON text."""
    allowed = "takes a list, or JSON text of one"
    made = from_json(field, value, allowed)
    if isinstance(made, list | tuple):
        return list(made)
    raise refuse(field, value, allowed)
