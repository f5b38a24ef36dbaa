# SPDX-License-Identifier: Apache-2.0
"""What is written and compiled once per class, from its fields: the ways that run per object.

There is a slow way to each of these, which takes any field of any type; here are those that
fields of this library's own types can take when their values are of the usual kind.
"""

import contextlib
import datetime
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from watcher_objects import coercion, fields
from watcher_objects.db.statements import SHAPES
from watcher_objects.waiting import DOCUMENTS, let_wait

#: The types of fields whose values are as the driver gives them.
_PLAIN = (fields.StringField, fields.UUIDField, fields.IntegerField)

# What a primitive has of a time, and Python reads as what it means.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")


def _made(name: str, lines: Iterable[str], **known: Any) -> Any:
    source = "\n    ".join([f"def {name}:", *lines])
    exec(compile(source, f"<{name}>", "exec"), known)  # noqa: S102 - of names of fields only
    return known[name.partition("(")[0]]


@functools.lru_cache(maxsize=SHAPES)
def filler(cls: Any, dialect: str) -> Callable[[Any, Any, Any], bool]:
    """Return what lets an object be what the cells of a row say.

    It returns False, with the object untouched, where the slow way has to be taken.
    """
    let_wait(cls)
    needed, read, stores = _cells_read(cls, dialect)
    cells = ", ".join(f"c{place}" for place in range(len(cls.table.columns)))
    missing = " or ".join(f"{name} is None" for name in needed) or "False"
    lines = [
        f"{cells}, = cells",
        f"if {missing}: return False",
        "try:",
        *(f"    {line}" for line in read or ["pass"]),
        "except (TypeError, ValueError, AttributeError): return False",
        "d = self.__dict__",
        "d['_context'] = context",
        *stores,
        "return True",
    ]
    filled: Callable[[Any, Any, Any], bool] = _made(
        "fill(self, context, cells)",
        lines,
        fields=cls.fields,
        parsed=datetime.datetime.fromisoformat,
        combined=datetime.datetime.combine,
        utc=datetime.UTC,
    )
    return filled


def _cells_read(cls: Any, dialect: str) -> tuple[list[str], list[str], list[str]]:
    """Return which cells must hold something, and the lines that read and that store them."""
    needed, read, stores = [], [], []
    for place, column in enumerate(cls.table.columns):
        name, cell = column.name, f"c{place}"
        field = cls.fields.get(name)
        if name in cls._obj_tracked():
            stores.append(f"d['_row_{name}'] = {cell}")
        if field is None:
            continue
        is_document = name in cls._obj_documents()
        value = cell if is_document else _from_cell(field, cell, dialect)
        if value is not None and not field.nullable:
            needed.append(cell)
        if value != cell:
            coerced = f"fields[{name!r}].coerce(self, {name!r}, {cell})"
            read.append(f"{cell} = {value or coerced}")
        if not is_document:
            stores.append(f"d['_obj_{name}'] = {cell}")
    return needed, read, stores


def _from_cell(field: Any, cell: str, dialect: str) -> str | None:
    """Return the expression for the value of a field; None: it has to be coerced."""
    if type(field) in _PLAIN:
        return cell
    if type(field) is fields.BooleanField:
        return cell if dialect == "postgresql" else f"None if {cell} is None else {cell} != 0"
    if type(field) is fields.DateTimeField:
        if dialect == "sqlite":
            value = f"parsed({cell} + '+00:00')" if _is_aware(field) else f"parsed({cell})"
        else:
            value = f"combined({cell}, {cell}.time(), utc)" if _is_aware(field) else cell
        return f"None if {cell} is None else {value}"
    return None


def _is_aware(field: Any) -> bool:
    return bool(field._type.tzinfo_aware)


@functools.lru_cache(maxsize=SHAPES)
def teller(cls: Any) -> Callable[[Any], dict[str, Any]]:
    """Return what tells the fields that are set, as a primitive of the newest version does."""
    lines = ["d = self.__dict__", "data = {}"]
    for name, field in cls.fields.items():
        lines.append(f"if '_obj_{name}' in d:")
        lines.append(f"    v = d['_obj_{name}']")
        lines.append(f"    data[{name!r}] = {_told(name, field)}")
        if name in cls._obj_documents():
            # Nobody has asked for it, and nobody shall see what becomes of the primitive.
            lines.append(f"elif '_row_{name}' in d:")
            lines.append(f"    v = self._obj_read({name!r}, d['_row_{name}'])")
            lines.append(f"    data[{name!r}] = {_told(name, field)}")
    told: Callable[[Any], dict[str, Any]] = _made(
        "tell(self)", [*lines, "return data"], fields=cls.fields, utc=datetime.UTC
    )
    return told


def _told(name: str, field: Any) -> str:
    """Return the expression for what a primitive has of a value ``v``."""
    if type(field) in (*_PLAIN, fields.BooleanField):
        return "v"
    told = f"fields[{name!r}].to_primitive(self, {name!r}, v)"
    if type(field) is fields.DateTimeField:
        text = "v.isoformat()[:-6] + 'Z' if v.tzinfo is utc else " if _is_aware(field) else ""
        return f"None if v is None else {text}{told}"
    return told


@functools.lru_cache(maxsize=SHAPES)
def taker(cls: Any) -> Callable[[Any, Any, dict[str, Any]], None]:
    """Return what lets an object be what the data of a primitive of the newest version say.

    Documents wait to be asked for, like those of a row. None where it can't be is left out.
    """
    let_wait(cls)
    lines = ["d = self.__dict__", "d['_context'] = context"]
    for name, field in cls.fields.items():
        lines.append(f"v = data.get({name!r}, none)")
        lines.append(f"if v is not none{'' if field.nullable else ' and v is not None'}:")
        coerced = f"fields[{name!r}].from_primitive(self, {name!r}, v)"
        coerced = f"fields[{name!r}].coerce(self, {name!r}, {coerced})"
        if name in cls.object_fields:
            # Its id is to be that of this one, too.
            lines.append(f"    self.{name} = {coerced}")
        else:
            kept = "_row_" if name in cls._obj_documents() else "_obj_"
            lines.append(f"    d['{kept}{name}'] = {_taken(field)}{coerced}")
    took: Callable[[Any, Any, dict[str, Any]], None] = _made(
        "take(self, context, data)",
        lines,
        fields=cls.fields,
        none=object(),
        is_uuid=coercion.is_uuid,
        time=_time,
    )
    return took


def _time(text: str, end: int | None) -> datetime.datetime | None:
    """Return the time that a text of the usual kind tells, up to an end; None: it is none."""
    with contextlib.suppress(ValueError):
        if _TIME.fullmatch(text):
            return datetime.datetime.fromisoformat(text[:end])
    return None


def _taken(field: Any) -> str:
    """Return the beginning of an expression, for values ``v`` of the usual kind."""
    kind = type(field)
    usual = {fields.StringField: "str", fields.IntegerField: "int", fields.BooleanField: "bool"}
    null = "None if v is None else " if field.nullable else ""
    if kind in usual:
        return f"{null}v if type(v) is {usual[kind]} else "
    if kind is fields.UUIDField:
        return f"{null}v if type(v) is str and is_uuid(v) else "
    if kind is fields.DateTimeField:
        end = "None" if _is_aware(field) else "-1"
        return f"{null}type(v) is str and time(v, {end}) or "
    if kind in (fields.FlexibleDictField, fields.FlexibleListOfDictField):
        made = DOCUMENTS[kind].__name__
        return f"{made}(v) if type(v) is {made} else "
    return ""


def install(cls: Any) -> None:
    """Give a class what is read most often as properties that do no more than that.

    The objects of a class share the names of their attributes, in Python, as far as the
    first of them had them all.
    """
    for name in cls.fields:
        known: property = getattr(cls, name)
        lines = [
            "try:",
            f"    return self._obj_{name}",
            "except AttributeError:",
            f"    self.obj_load_attr({name!r})",
            f"    return self._obj_{name}",
        ]
        getter = _made("get(self)", lines)
        setattr(cls, name, property(getter, known.fset, known.fdel))
    let_wait(cls)
    first = object.__new__(cls)
    tracked = cls._obj_tracked()
    names = ["_context", *(f"_row_{n}" for n in tracked), *(f"_obj_{n}" for n in cls.fields)]
    for name in (*names, "_changed_fields"):
        object.__setattr__(first, name, None)
