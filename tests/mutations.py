# SPDX-License-Identifier: Apache-2.0
"""What an attacker, or a fault, makes of good messages: the same for the same seed."""

import copy
import json
import math
import random
from collections.abc import Iterator
from typing import Any


def nested(levels: int, container: type = list) -> Any:
    """A value inside of so many containers."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if container is list else {"": value}
    return value


CLASSES = ["Audit", "Goal", "Service", "ActionPlan"]
NUMBERS = [0, 1, -1, 2, 2**31 - 1, 2**31, 2**63, 10**30, 10**4000]
FLOATS = [-0.0, 0.5, 1e308, 5e-324, math.nan, math.inf, -math.inf]
TEXTS = [
    *("", " ", "0", "-1", "1e999", "NaN", "9" * 30, "x" * 300, "x" * 70_000, "yes", "null"),
    *("\ud800", "a\0b", "😀" * 70, "\x1b[31m\r\n", "İ", "١.٠", "%(code)s %s {0}"),  # noqa: RUF001
    *("'; DROP TABLE audits; --", "1 OR 1=1", "../../etc/passwd"),
    *("__import__('os').abort()", "cos\nsystem\n(S'true'\ntR."),
    *('{"a": [1]}', '[{"a": null}]', '{"a":1', "[NaN]", "[" * 3000, "[" * 900 + "]" * 900),
    *("2026-11-22T12:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z"),
    *("a7bb6f0c-0e0b-4a4d-a3c3-3c8a0f2cfb5f", "{A7BB6F0C0E0B4A4DA3C33C8A0F2CFB5F}"),
    *("DELETED", "ONGOING", "SUCCEEDED", "CONTINUOUS", "watcher", "versioned_object"),
    *("1.0", "2.0.1", "999.999"),
]
CONTAINERS = [
    *([], {}, [[]], [{}], {"": {}}, [None], ["a", 1], {"id": 1}, {"dict": {}}, [0] * 500),
    *(nested(40), nested(99, dict), nested(130), nested(200), nested(200, dict)),
    {"py/object": "os.system", "__class__": "x", "__reduce__": ["os.system", ["true"]]},
]
ODD: list[Any] = [None, True, False, *NUMBERS, *FLOATS, *TEXTS, *CONTAINERS]
METHODS = [
    *("create", "save", "refresh", "soft_delete", "destroy", "get", "list", "get_by_id"),
    *("get_by_uuid", "get_by_name", "get_by_type", "supersede_expired", "_obj_related", ""),
    *("create_many", "__init__", "__class__", "__reduce__", "__subclasses__", "mro", "table"),
    *("obj_from_primitive", "_get", "_bulk_update", "obj_load_attr", "obj_clone"),
    *("obj_reset_changes", "fields", "indirection_api", "original_fn", "__setattr__", "as_dict"),
    *("update", "items", "_load_row", "_get_if_referenced"),
]
NAMES = [
    *("id", "uuid", "state", "deleted", "created_at", "updated_at", "deleted_at", "name"),
    *("parameters", "_context", "_changed_fields", "_stored", "_old_state", "VERSION", "table"),
    *("__class__", "goal", "goal_id", "context", "cls", "self", "eager", "filters", "marker"),
    *("limit", "state__neq", "deleted__neq", "goal_name__in", "token", "versions"),
    "watcher_object.name",
]
CONTEXTS = [
    *({}, {"show_deleted": True}, {"show_deleted": "yes", "is_admin": "no"}, {"user_id": True}),
    *({"user_id": "\ud800\0", "request_id": "x\ny"}, {"is_admin": nested(3), "auth_token": "t"}),
    *({"roles": ["admin"], "user_id": 1}, {"request_id": None}, {"overwrite": False, "cls": 1}),
]


class Mutator:
    """Makes wrong messages of good ones.

    :param donors: what is good, and of which pieces are put into others
    """

    def __init__(self, donors: list[Any]) -> None:
        self.donors = donors

    def mutated(self, number: random.Random, value: Any) -> Any:
        """A value with up to three pieces that are not as they were."""
        value = copy.deepcopy(value)
        for _ in range(number.choice((1, 1, 1, 2, 3))):
            places = list(_places(value))
            if not places:
                return number.choice(ODD)
            container, key = number.choice(places)
            number.choice((self._replace, self._replace, *_SHAPES))(number, container, key)
        return value

    def text(self, number: random.Random, value: Any) -> str:
        """JSON text of a value, or of what has been made of it, in which characters are wrong."""
        text = json.dumps(value)
        at = number.randrange(len(text))
        return number.choice(_SPELLINGS)(number, text, at)

    def _replace(self, number: random.Random, container: Any, key: Any) -> None:
        chosen = [number.choice(ODD)]
        if key == "method":
            chosen = METHODS
        elif key in ("class", "watcher_object.name"):
            chosen = [*CLASSES, "Nobody", "os", "x" * 300]
        elif key == "watcher_object.changes":
            chosen = [number.sample(NAMES, number.randrange(6)), None, {}, [[]], "id"]
        elif number.random() < 0.25:
            donor = number.choice(self.donors)
            places = list(_places(donor))
            chosen = [donor] if not places else [_at(*number.choice(places))]
        container[key] = copy.deepcopy(number.choice(chosen))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a value with each of its keys."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            yield container, key
            if isinstance(container[key], dict | list):
                waiting.append(container[key])


def _at(container: Any, key: Any) -> Any:
    return container[key]


def _delete(number: random.Random, container: Any, key: Any) -> None:
    del container[key]


def _repeat(number: random.Random, container: Any, key: Any) -> None:
    if isinstance(container, dict):
        container[number.choice(NAMES)] = copy.deepcopy(container[key])
    else:
        container += [copy.deepcopy(container[key])] * number.choice((1, 2, 40))


def _rename(number: random.Random, container: Any, key: Any) -> None:
    value = container[key]
    if isinstance(container, dict):
        name = number.choice([*NAMES, f"{key}x", key.upper(), "watcher_object.data", "", "\ud800"])
        container[name] = container.pop(key)
    else:
        container[key] = {number.choice(NAMES): value}


def _swap(number: random.Random, container: Any, key: Any) -> None:
    keys = list(container) if isinstance(container, dict) else range(len(container))
    other = number.choice(keys)
    container[key], container[other] = container[other], container[key]


def _wrap(number: random.Random, container: Any, key: Any) -> None:
    value = container[key]
    container[key] = number.choice(([value], {"": value}, json.dumps(value), str(value)))


_SHAPES = (_delete, _repeat, _rename, _swap, _wrap)
_CHARACTERS = '"\\{}[],:0-eE.\0\ud800u😀'
_PIECES = ('"', "\\", "[" * 200, ",,", "\\ud800")
_SPELLINGS = (
    lambda number, text, at: text[:at],
    lambda number, text, at: text[at:],
    lambda number, text, at: text[:at] + number.choice(_CHARACTERS) + text[at + 1 :],
    lambda number, text, at: text[:at] + number.choice(_PIECES) + text[at:],
    lambda number, text, at: text * 2,
    lambda number, text, at: text[:-1] + ', "method": "destroy", "class": "Goal", "args": [1]}',
    lambda number, text, at: text[:at] + text[at // 2 : at] + text[at:],
    lambda number, text, at: text.replace('":', '":' + "[" * 160, 1),
    lambda number, text, at: json.dumps(text),
)
