# SPDX-License-Identifier: Apache-2.0
"""What a field of each kind takes, and what it refuses: pairs of a value and its verdict."""

import datetime
import decimal
import enum
import uuid

from tests.boundary_values.verdicts import SAME, Read, Refusal, rule
from watcher_objects import exception

SQL = "'; DROP TABLE x; --"
UTC = datetime.UTC
NOON = datetime.datetime(2026, 11, 22, 12)


class Colour(enum.Enum):
    RED = "red"


class Kind(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is its name
    ONESHOT = "ONESHOT"


class Precise(datetime.datetime):
    """A time with an attribute for what is finer than a microsecond, as pandas has it."""

    nanosecond = 0


PRECISE, TOO_PRECISE = (Precise(2026, 11, 22, 12, 0, 0, number) for number in (1, 2))
TOO_PRECISE.nanosecond = 1


class Odd:
    """Something whose text must not be shown."""

    def __repr__(self):
        return "canary"


def required(pairs, by_filters=False):
    """Refuse None as well."""
    return [*pairs, (None, rule("must have a value", by_filters))]


def optional(pairs, read=None):
    """Take None as well, and read this back."""
    return [*pairs, (None, Read(read))]


def refused(words, *values):
    return [(value, rule(words)) for value in values]


_NO_TEXT = refused(
    "takes text",
    *(b"bytes", bytearray(b"a"), 1.5, float("nan"), True, ["a"], {"a": 1}, ("a",), {"a"}),
    *(Colour.RED, 2**63, -(10**5000), decimal.Decimal(1), NOON, uuid.UUID(int=1), Odd(), Odd),
)


def text(length):
    """Take text up to a number of characters."""
    return [
        *_characters(length),
        *refused("takes no NUL character", "a\0b", "\0"),
        *refused("takes no half of a surrogate pair", "\ud800", "a\udc80"),
    ]


def message(length):
    """Take the same, and replace what no database stores."""
    return [
        *_characters(length),
        *(("a\0b", Read("a\ufffdb")), ("\ud800", Read("\ufffd")), ("\udc80", Read("\ufffd"))),
        ("\0" * length, Read("\ufffd" * length)),
    ]


def _characters(length):
    words = (f"takes at most {length} characters, not {length + 1}",)
    return [
        *(
            (value, SAME)
            for value in ("a", "", "a ", " ", "Ä", "e\u0301", "😀", SQL, "%s :n ? \\")
        ),
        *(
            (value, SAME)
            for value in ("NULL", "0", "\u202e", "\ufeff", "\uffff", "\t\r\n\x01\x7f")
        ),
        *((character * length, SAME) for character in "n😀'"),
        (5, Read("5")),
        (-(2**63) + 1, Read("-9223372036854775807")) if length > 20 else (-1, Read("-1")),
        (Kind.ONESHOT, Read("ONESHOT")),
        *((character * (length + 1), rule(*words)) for character in "n😀"),
        *_NO_TEXT,
    ]


def long_text(size):
    """Take text up to a number of bytes."""
    return [
        *((value, SAME) for value in ("", "n" * size, "é" * (size // 2), SQL)),
        *refused(f"takes at most {size} bytes", "n" * (size + 1), "😀" * (size // 4 + 1)),
        *refused("takes no NUL character", "a\0b"),
        *refused("takes no half of a surrogate pair", "\ud800"),
        *_NO_TEXT,
    ]


# An interval has a meaning only for the process that runs the audit.
INTERVAL = [
    *((3600, Read("3600")), ("*/5 * * * *", SAME), ("61 25 32 13 8", SAME)),
    *((value, SAME) for value in ("* * *", "@daily", "every 5 minutes", "-1", "1e9", "*" * 36)),
    *text(36),
]

UUID = [
    ("2b7e8f64-0c0e-4a4b-9d1e-0f1b2c3d4e5f", SAME),
    ("2B7E8F640C0E4A4B9D1E0F1B2C3D4E5F", Read("2b7e8f64-0c0e-4a4b-9d1e-0f1b2c3d4e5f")),
    ("{2b7e8f64-0c0e-4a4b-9d1e-0f1b2c3d4e5f}", Read("2b7e8f64-0c0e-4a4b-9d1e-0f1b2c3d4e5f")),
    (uuid.UUID(int=1), Read("00000000-0000-0000-0000-000000000001")),
    *((value, rule("takes a uuid", by_filters=False)) for value in ("", "x", "1" * 31, SQL)),
    *((value, rule("takes a uuid", by_filters=False)) for value in ("1" * 33, "g" * 32, "\0")),
    *((value, rule("takes a uuid", by_filters=False)) for value in (5, b"1" * 16, [], 1.5, Odd())),
]

_NO_INTEGER = refused(
    "takes a whole number",
    *(
        "",
        "x",
        "1.0",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "0x1",
        "1e0",
        "1_0",
        "\uff11",
        "9" * 5000,
        SQL,
    ),
    *(1.0, float("nan"), float("inf"), True, False, b"1", [1], {"a": 1}, decimal.Decimal(1)),
    *("\0", "\ud800", Colour.RED, Odd()),
)
_TOO_FAR = refused(
    "takes whole numbers from -2147483647 to 2147483647",
    *(2**31, -(2**31), 2**63, -(10**5000)),
)
INTEGER = [
    *((value, SAME) for value in (0, 5, -1, 2**31 - 1, -(2**31) + 1)),
    ("5", Read(5)),
    *_NO_INTEGER,
    *_TOO_FAR,
]


def reference(error, message):
    """Take the id of a row that there is; this is the error where there is none."""
    away = (0, -1, 4711, "4711", 2**31 - 1, -(2**31) + 1)
    missing = ((n, Refusal(error, message.format(n), by_filters=False)) for n in away)
    return [*missing, *_NO_INTEGER, *_TOO_FAR]


_GIVEN = "takes whole numbers from 1 to 1073741824"
IDENT = [
    *((700_000_001, SAME), ("700000002", Read(700_000_002)), (2**30, SAME)),
    *((n, rule(_GIVEN, by_filters=False)) for n in (0, -1, 2**30 + 1, 2**31 - 1)),
    *_NO_INTEGER,
    *_TOO_FAR,
]

BOOLEAN = [
    *((value, Read(True)) for value in (True, 1, "yes", "TRUE", "on", "1", "t", "y")),
    *((value, Read(False)) for value in (False, 0, "no", "False", "off", "0", "f", "n")),
    *refused("takes True or False", "maybe", "", "2", 2, -1, 0.0, 1.0, float("nan"), [], {}),
    *refused("takes True or False", b"1", "\uff11", "\0", "\ud800", 10**5000, SQL, Odd()),
]

_DOUBLE = "takes whole numbers up to 2**53, and fractions"
NUMBER = [
    *((value, Read(float(value))) for value in (0, 1, -1, 2**53, -(2**53), "5", "-1.5", "1e5")),
    *((value, SAME) for value in (0.1, 5e-324, 1.7976931348623157e308, 123456.789, -2.5e-7)),
    *(
        (-0.0, Read(0.0)),
        (decimal.Decimal("0.1"), Read(0.1)),
        (".5", Read(0.5)),
        (" 1 ", Read(1.0)),
    ),
    *refused(_DOUBLE, 2**53 + 1, -(2**53) - 1),
    *refused("takes a finite number", float("nan"), float("inf"), -float("inf"), 10**400),
    *refused("takes a finite number", "NaN", "-Infinity", "1e309", "1e-400", "1" * 400, ""),
    *refused("takes a finite number", "x", "0x10", "1_000", "\uff11", "1,5", SQL, "\0"),
    *refused("takes a finite number", True, b"1", [1], {}, 1j, Colour.RED, Odd()),
]

_ISO = "takes a datetime, or ISO 8601 text"
_ERA = "takes a time that is in the years 1 to 9999 in UTC"
_TOO_FINE = "takes a time of whole microseconds"


def time(aware=True):
    """Take a time, and read it back in UTC, aware or naive."""
    zone = UTC if aware else None
    kathmandu = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    taken = {
        "2026-11-22T12:00:00Z": NOON,
        "2026-11-22T12:00:00+03:00": NOON.replace(hour=9),
        "2026-11-22T12:00:00.000001": NOON.replace(microsecond=1),
        "2026-11-22T12:00:00.123456000Z": NOON.replace(microsecond=123456),
        "2026-11-22 12:00:00": NOON,
        "20261122T120000Z": NOON,
        "2026-11-22": NOON.replace(hour=0),
        "0001-01-01T00:00:00Z": datetime.datetime(1, 1, 1),
        "9999-12-31T23:59:59.999999Z": datetime.datetime.max,
        NOON: NOON,
        PRECISE: NOON.replace(microsecond=1),
        NOON.replace(tzinfo=UTC, microsecond=999999): NOON.replace(microsecond=999999),
        NOON.replace(tzinfo=kathmandu): NOON.replace(hour=6, minute=15),
    }
    return [
        *((given, Read(read.replace(tzinfo=zone))) for given, read in taken.items()),
        *refused(_ISO, "yesterday", "", "12:00", "2026-13-01", "2026-02-30", "2026-11-22T25:00"),
        *refused(_ISO, "2026-11-22T12:00:60", "2026-11-22T12:00:00+25:00", "1763812800", "now()"),
        *refused(_ISO, "2026-11-22T12:00:00 ", "\uff12026-11-22", "10000-01-01", "0000-01-01"),
        *refused(_ISO, 5, 1.5, float("nan"), True, b"2026-11-22", [], {}, SQL, "\0", "\ud800"),
        *refused(_ISO, datetime.date(2026, 1, 1), datetime.time(12), Odd()),
        *refused(_ERA, "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
        *refused(_ERA, datetime.datetime.max.replace(tzinfo=datetime.timezone.min)),
        *refused(_TOO_FINE, "2026-11-22T12:00:00.1234567Z", "2026-11-22T12:00:00.0000001"),
        *refused(_TOO_FINE, TOO_PRECISE),
    ]


def state(initial, others):
    """Take a state that there is, in which a new object may be."""
    expected = f"expected one of {initial}, {others}"
    unknown = ("", " ", "NOPE", initial.lower(), f"{initial} ", "😀", SQL)
    return [
        *((word, SAME) for word in (initial, *others.split(", "))),
        *(
            (
                word,
                Refusal(
                    exception.InvalidState, f"Unknown state {word}; {expected}", by_filters=False
                ),
            )
            for word in unknown
        ),
        (5, Refusal(exception.InvalidState, f"Unknown state 5; {expected}", by_filters=False)),
        *refused("takes no NUL character", f"{initial}\0"),
        *refused("takes at most 20 characters, not 21", "S" * 21),
        *_NO_TEXT,
    ]
