# SPDX-License-Identifier: Apache-2.0
"""Serialization to and from primitives, generated once per class.

As in :mod:`watcher_objects.persistence.compiled`, there is a slow way for what is not usual: the
fields' own.
"""

import datetime
import functools
from collections.abc import Callable
from typing import Any

from watcher_objects import fields
from watcher_objects.db.statements import SHAPES
from watcher_objects.fields import coercion
from watcher_objects.persistence.compiled import (
    JSON,
    PLAIN,
    USUAL,
    compile_function,
    constructor,
    is_aware,
)
from watcher_objects.persistence.lazy_json import DOCUMENTS, install_lazy_json

# What stands between the numbers of a time in a primitive, by the length of its text.
_SIGNS = {20: "--T::Z", 27: "--T::."}


@functools.lru_cache(maxsize=SHAPES)
def encoder(cls: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a function that serializes the fields that are set, in the newest version."""
    install_lazy_json(cls)
    own = [name for name in cls.fields if name not in cls.object_fields]
    lines = [
        "d = self.__dict__",
        "try:",
        f"    data = {{{', '.join(f'{name!r}: {_encode(cls, name)}' for name in own)}}}",
        "except KeyError:",
        "    data = {}",
        *(f"    {_encode_if_set(cls, name)}" for name in own),
        *(_encode_if_set(cls, name) for name in cls.object_fields),
        "return data",
    ]
    reads = {f"read_{name}": getattr(cls, f"_obj_{name}").read for name in cls._json_fields()}
    encode: Callable[[Any], dict[str, Any]] = compile_function(
        cls, "encode(self)", lines, fields=cls.fields, utc=datetime.UTC, **reads
    )
    return encode


def _encode_if_set(cls: Any, name: str) -> str:
    waits = f" or '_row_{name}' in d" if name in cls._json_fields() else ""
    return f"if '_obj_{name}' in d{waits}: data[{name!r}] = {_encode(cls, name)}"


def _encode(cls: Any, name: str) -> str:
    """Return the expression for the serialized value of a field that is set."""
    field, value = cls.fields[name], f"d['_obj_{name}']"
    if name in cls._json_fields():
        # Nobody has asked for it, and nobody shall see what becomes of the primitive.
        read = f"read_{name}(self, d['_row_{name}'])"
        value = f"({value} if '_obj_{name}' in d else {read})"
    if type(field) in (*PLAIN, fields.BooleanField, *JSON):
        return value
    call = f"fields[{name!r}].to_primitive(self, {name!r}, "
    if type(field) is fields.DateTimeField:
        text = "v.isoformat()[:-6] + 'Z' if v.tzinfo is utc else " if is_aware(field) else ""
        return f"None if (v := {value}) is None else {text}{call}v)"
    return f"{call}{value})"


@functools.lru_cache(maxsize=SHAPES)
def decoder(cls: Any) -> Callable[[Any, dict[str, Any]], Any]:
    """Return a function that creates an object from a context and the data of a primitive.

    The data is of the newest version. JSON fields are decoded lazily, like those of a row. None is
    omitted for fields that are not nullable.
    """
    install_lazy_json(cls)
    stores, coerced = _data_taken(cls)
    lines = [
        "self = new(blank)",
        "self._context = context",
        *stores,
        "self.__class__ = cls",
        *coerced,
        "return self",
    ]
    return constructor(cls, "decode(context, data)", lines, is_uuid=coercion.is_uuid, time=_time)


def _data_taken(cls: Any) -> tuple[list[str], list[str]]:
    """Return the lines that store values of the usual types, and those that coerce others."""
    stores: list[str] = []
    coerced: list[str] = []
    for name, field in cls.fields.items():
        value = f"fields[{name!r}].from_primitive(self, {name!r}, v)"
        value = f"fields[{name!r}].coerce(self, {name!r}, {value})"
        usual = _taken(field)
        lines = stores if usual else coerced
        lines.append(f"if {name!r} in data:")
        lines.append(f"    v = data[{name!r}]")
        if not field.nullable:
            lines.append("    if v is not None:")
        space = "    " if field.nullable else "        "
        if usual:
            kept = "_row_" if name in cls._json_fields() else "_obj_"
            lines.append(f"{space}self.{kept}{name} = {usual}{value}")
        elif name in cls.object_fields:
            # Its id is to be that of this one, too.
            lines.append(f"{space}self.{name} = {value}")
        else:
            lines.append(f"{space}vars(self)['_obj_{name}'] = {value}")
    return stores, coerced


def _time(text: str, is_aware: bool) -> datetime.datetime | None:
    """Return the time of a text in the usual format, or None for other formats."""
    if _SIGNS.get(len(text)) == text[4:20:3] and text[-1] == "Z":
        try:
            time = datetime.datetime.fromisoformat(text)
        except ValueError:
            return None
        return time if is_aware else time.replace(tzinfo=None)
    return None


def _taken(field: Any) -> str:
    """Return the beginning of an expression, for values ``v`` of the usual type."""
    kind = type(field)
    null = "None if v is None else " if field.nullable else ""
    if kind in USUAL:
        return f"{null}v if type(v) is {USUAL[kind].__name__} else "
    if kind is fields.UUIDField:
        return f"{null}v if type(v) is str and is_uuid(v) else "
    if kind is fields.DateTimeField:
        return f"{null}type(v) is str and time(v, {is_aware(field)}) or "
    if kind in JSON:
        python = DOCUMENTS[kind].__name__
        return f"{python}(v) if type(v) is {python} else "
    return ""
