# SPDX-License-Identifier: Apache-2.0
"""What document fields accept and reject; see :mod:`tests.boundary_values.kinds`."""

import decimal
import uuid

from tests.boundary_values.kinds import NOON, SQL, Colour, Odd, refused
from tests.boundary_values.verdicts import SAME, Read, Refusal, rule
from watcher_objects import exception

MEGABYTE = 2**20


def nested(depth):
    """Return a list inside lists."""
    document = []
    for _ in range(depth - 1):
        document = [document]
    return document


def _shared(levels):
    # A few lists that would be written as two to the power of levels.
    document = ["leaf"]
    for _ in range(levels):
        document = [document, document]
    return document


def _endless():
    document = {}
    document["again"] = document["and again"] = document
    return document


_NOT_JSON = (
    *(float("nan"), float("inf"), b"", set(), (1,), Colour.RED, NOON, Odd(), Odd, 10**5000),
    *({1: "a"}, {None: 1}, {("a",): 1}, {"a": (1,)}, decimal.Decimal(1), uuid.UUID(int=1)),
)
_DEEP = "takes at most 100 levels"
_BIG = f"takes at most {2 * MEGABYTE} bytes of JSON"
_JSON = [1.5, None, True, -(2**70), 0.1, 1e308, "", "\0", "\ud800", "😀\u202e", SQL, {"": {}}, []]


def array():
    """Take a list of JSON values."""
    allowed = "takes a list, or JSON text of one"
    of_json = "takes a list of JSON values, with text as keys"
    return [
        *((value, SAME) for value in ([], [{}], _JSON, nested(100))),
        *(("[]", Read([])), (' [{"a": 1}] ', Read([{"a": 1}])), ((1, "a"), Read([1, "a"]))),
        # What Watcher's planners pass for no list.
        *((value, Read([])) for value in ({}, "{}")),
        *refused(
            allowed, {"a": 1}, '{"a": 1}', "", "x", "null", "[" * 99, "[1,]", '[{"a": 1, "a": 2}]'
        ),
        *refused(allowed, 5, 1.5, True, b"[]", set(), Colour.RED, Odd(), iter(())),
        *(([value], rule(of_json)) for value in _NOT_JSON),
        *((value, rule(of_json, given="a value of type list")) for value in ("[NaN]", "[1e999]")),
        *refused(_DEEP, nested(101), nested(3000)),
    ]


def mapping():
    """Take a dict of JSON values."""
    allowed = "takes a dict, or JSON text of one"
    of_json = "takes a dict of JSON values, with text as keys"
    return [
        *((value, SAME) for value in ({}, {"": ""}, {"\0\ud800😀": _JSON}, {"a": nested(99)})),
        *(("{}", Read({})), (' {"a": [1]} ', Read({"a": [1]}))),
        *refused(
            allowed, [], "[]", "", "x", "null", "{'python': 1}", '{"a": 1, "a": 2}', "{" * 99
        ),
        *refused(allowed, 5, 1.5, True, b"{}", (), [("a", 1)], Colour.RED, Odd()),
        *(({"a": value}, rule(of_json)) for value in _NOT_JSON),
        *((value, rule(of_json)) for value in ({1: "a"}, {True: 1}, {None: 1}, {b"a": 1})),
        *(
            (value, rule(of_json, given="a value of type dict"))
            for value in ('{"": NaN}', '{"": 1e999}')
        ),
        *refused(_DEEP, {"a": nested(100)}),
    ]


#: To be added where it is enough: they take long.
LARGE = [
    *(({"a": value * (MEGABYTE - 10)}, SAME) for value in ("x", '"', "\\")),
    *refused(_BIG, {"a": "x" * 2 * MEGABYTE}, {"x" * 2 * MEGABYTE: 1}, {"a": "é" * MEGABYTE}),
    *refused(_BIG, {"a": _shared(60)}),
    *refused(_DEEP, _endless()),
]


def texts():
    """Take a list of texts."""
    allowed = "takes a list, or JSON text of one"
    inside = "{field}[1] takes text, got a value of type "
    return [
        *((value, SAME) for value in ([], ["a"], ["", SQL, "\0\ud800😀"])),
        *(("[]", Read([])), (("a", 5), Read(["a", "5"])), ('["a"]', Read(["a"]))),
        *refused(allowed, {}, "{}", "x", "", 5, True, b"[]", {"a"}, Odd()),
        *(
            (["a", value], Refusal(exception.InvalidValue, inside + type(value).__name__))
            for value in (1.5, True, b"a", [], {}, Odd(), 10**5000)
        ),
        ([None], Refusal(exception.InvalidValue, "{field}[0] must have a value, got None")),
        *refused(_BIG, ["x" * 2 * MEGABYTE]),
    ]
