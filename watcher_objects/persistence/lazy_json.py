# SPDX-License-Identifier: Apache-2.0
"""Lazily decoded JSON fields, and lazily created change sets."""

import json
from collections.abc import Callable
from typing import Any

from watcher_objects import fields

#: The types of fields whose values are documents, and the Python type of each.
DOCUMENTS = {
    fields.FlexibleDictField: dict,
    fields.DictField: dict,
    fields.FlexibleListOfDictField: list,
}

# A function that decodes a JSON value at a position, and returns where it ends.
_decode: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]


class LazyChangeSet:
    """The set of changed fields, which an object gets on first access."""

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        """Return the set, and store it in the object."""
        if obj is None:
            return self
        return vars(obj).setdefault("_changed_fields", set())


class LazyJson:
    """A JSON field whose text, or value in a primitive, has not been decoded yet.

    It is a descriptor in place of the attribute, which an object gets on first access.
    """

    def __init__(self, field: Any, name: str) -> None:
        self.name, self.attribute, self.source = name, f"_obj_{name}", f"_row_{name}"
        self.kind: Any = DOCUMENTS.get(type(field))

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        """Return the value, and store it in the object."""
        if obj is None:
            return self
        known = obj.__dict__
        try:
            source = known[self.source]
        except KeyError:
            raise AttributeError(self.attribute) from None
        value = known[self.attribute] = self.read(obj, source)
        if type(source) is not str:
            # A text can't change with the value.
            obj._take_snapshot([self.name])
        return value

    def read(self, obj: Any, source: Any) -> Any:
        """Return a newly decoded value."""
        if type(source) is str:
            try:
                value, end = _decode(source, 0)
                if type(value) is self.kind and end == len(source):
                    return value
            except (ValueError, StopIteration):
                pass
        return obj._decode_json(self.name, source)


def install_lazy_json(cls: Any) -> None:
    """Decode the JSON fields of a class only on access."""
    for name in cls._json_fields():
        if f"_obj_{name}" not in vars(cls):
            setattr(cls, f"_obj_{name}", LazyJson(cls.fields[name], name))
