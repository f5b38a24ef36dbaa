# SPDX-License-Identifier: Apache-2.0
"""What is written and compiled once per class, from its fields: the ways that run per object.

There is a slow way to each of these, which takes any field of any type; here are those that
fields of this library's own types can take when their values are of the usual kind.
"""

import datetime
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from watcher_objects import coercion, fields
from watcher_objects.db.statements import SHAPES
from watcher_objects.waiting import DOCUMENTS, let_wait

#: The types of fields whose values are as the driver gives them.
_PLAIN = (fields.StringField, fields.UUIDField, fields.IntegerField)
#: The types of fields whose values of one Python type are taken as they are.
_USUAL = {fields.StringField: str, fields.IntegerField: int, fields.BooleanField: bool}
#: The types of fields whose values are documents in a primitive, too.
_JSON = (fields.FlexibleDictField, fields.FlexibleListOfDictField)

# What stands between the numbers of a time in a primitive, by the length of its text.
_SIGNS = {20: "--T::Z", 27: "--T::."}


def _made(name: str, lines: Iterable[str], **known: Any) -> Any:
    source = "\n    ".join([f"def {name}:", *lines])
    exec(compile(source, f"<{name}>", "exec"), known)  # noqa: S102 - of names of fields only
    return known[name.partition("(")[0]]


@functools.lru_cache(maxsize=SHAPES)
def _blank(cls: Any) -> type:
    """Return a class whose new objects are given attributes, and are then let be of ``cls``.

    It has no ``__setattr__`` that would be asked about each. Its objects share the names of
    their attributes, in Python, as far as the first of them had them all.
    """
    made = type(cls.__name__, (), {})
    first = made()
    for name in _attributes(cls):
        setattr(first, name, None)
    return made


def _attributes(cls: Any) -> list[str]:
    rows = (f"_row_{name}" for name in cls._obj_tracked())
    return ["_context", *rows, *(f"_obj_{name}" for name in cls.fields), "_changed_fields"]


@functools.lru_cache(maxsize=SHAPES)
def maker(cls: Any, dialect: str) -> Callable[[Any, Any], Any]:
    """Return what makes an object of a context and the cells of a row.

    It returns None where the slow way has to be taken.
    """
    let_wait(cls)
    cells = ", ".join(f"c{place}" for place in range(len(cls.table.columns)))
    needed, read, stores, coerced = _cells_read(cls, dialect)
    lines = [
        f"{cells}, = cells",
        f"if {' or '.join(f'{cell} is None' for cell in needed) or 'False'}: return None",
        "self = new(blank)",
        "try:",
        *(f"    {line}" for line in [*read, *stores]),
        "    self._context = context",
        "    self.__class__ = cls",
        *(f"    {line}" for line in coerced),
        "except (TypeError, ValueError, AttributeError): return None",
        "return self",
    ]
    made: Callable[[Any, Any], Any] = _made(
        "make(context, cells)",
        lines,
        cls=cls,
        blank=_blank(cls),
        new=object.__new__,
        fields=cls.fields,
        parsed=datetime.datetime.fromisoformat,
        combined=datetime.datetime.combine,
        utc=datetime.UTC,
    )
    return made


def _cells_read(cls: Any, dialect: str) -> tuple[list[str], ...]:
    """Return which cells must hold something, and the lines that read, store and coerce."""
    needed: list[str] = []
    read: list[str] = []
    stores: list[str] = []
    coerced: list[str] = []
    for place, column in enumerate(cls.table.columns):
        name, cell = column.name, f"c{place}"
        field = cls.fields.get(name)
        if name in cls._obj_tracked():
            stores.append(f"self._row_{name} = {cell}")
        if field is None or name in cls._obj_documents():
            continue
        value = _from_cell(field, cell, dialect)
        if value is None:
            coerced.append(f"vars(self)['_obj_{name}'] = fields[{name!r}].coerce(")
            coerced[-1] += f"self, {name!r}, {cell})"
            continue
        if not field.nullable:
            needed.append(cell)
        if value != cell:
            read.append(f"{cell} = {value}")
        stores.append(f"self._obj_{name} = {cell}")
    return needed, read, stores, coerced


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
    let_wait(cls)
    own = [name for name in cls.fields if name not in cls.object_fields]
    lines = [
        "d = self.__dict__",
        "try:",
        f"    data = {{{', '.join(f'{name!r}: {_told(cls, name)}' for name in own)}}}",
        "except KeyError:",
        "    data = {}",
        *(f"    {_told_if_set(cls, name)}" for name in own),
        *(_told_if_set(cls, name) for name in cls.object_fields),
        "return data",
    ]
    reads = {f"read_{name}": getattr(cls, f"_obj_{name}").read for name in cls._obj_documents()}
    told: Callable[[Any], dict[str, Any]] = _made(
        "tell(self)", lines, fields=cls.fields, utc=datetime.UTC, **reads
    )
    return told


def _told_if_set(cls: Any, name: str) -> str:
    waits = f" or '_row_{name}' in d" if name in cls._obj_documents() else ""
    return f"if '_obj_{name}' in d{waits}: data[{name!r}] = {_told(cls, name)}"


def _told(cls: Any, name: str) -> str:
    """Return the expression for what a primitive has of a field that is set."""
    field, value = cls.fields[name], f"d['_obj_{name}']"
    if name in cls._obj_documents():
        # Nobody has asked for it, and nobody shall see what becomes of the primitive.
        read = f"read_{name}(self, d['_row_{name}'])"
        value = f"({value} if '_obj_{name}' in d else {read})"
    if type(field) in (*_PLAIN, fields.BooleanField, *_JSON):
        return value
    told = f"fields[{name!r}].to_primitive(self, {name!r}, "
    if type(field) is fields.DateTimeField:
        text = "v.isoformat()[:-6] + 'Z' if v.tzinfo is utc else " if _is_aware(field) else ""
        return f"None if (v := {value}) is None else {text}{told}v)"
    return f"{told}{value})"


@functools.lru_cache(maxsize=SHAPES)
def taker(cls: Any) -> Callable[[Any, dict[str, Any]], Any]:
    """Return what makes an object of a context and the data of a newest version's primitive.

    Documents wait to be asked for, like those of a row. None where it can't be is left out.
    """
    let_wait(cls)
    stores, coerced = _data_taken(cls)
    lines = [
        "self = new(blank)",
        "self._context = context",
        *stores,
        "self.__class__ = cls",
        *coerced,
        "return self",
    ]
    took: Callable[[Any, dict[str, Any]], Any] = _made(
        "take(context, data)",
        lines,
        cls=cls,
        blank=_blank(cls),
        new=object.__new__,
        fields=cls.fields,
        is_uuid=coercion.is_uuid,
        time=_time,
    )
    return took


def _data_taken(cls: Any) -> tuple[list[str], list[str]]:
    """Return the lines that store what is of the usual types, and those that coerce the rest."""
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
            kept = "_row_" if name in cls._obj_documents() else "_obj_"
            lines.append(f"{space}self.{kept}{name} = {usual}{value}")
        elif name in cls.object_fields:
            # Its id is to be that of this one, too.
            lines.append(f"{space}self.{name} = {value}")
        else:
            lines.append(f"{space}vars(self)['_obj_{name}'] = {value}")
    return stores, coerced


def _time(text: str, is_aware: bool) -> datetime.datetime | None:
    """Return the time that a text of the usual kind tells; None: it is none."""
    if _SIGNS.get(len(text)) == text[4:20:3] and text[-1] == "Z":
        try:
            time = datetime.datetime.fromisoformat(text)
        except ValueError:
            return None
        return time if is_aware else time.replace(tzinfo=None)
    return None


def _taken(field: Any) -> str:
    """Return the beginning of an expression, for values ``v`` of the usual kind."""
    kind = type(field)
    null = "None if v is None else " if field.nullable else ""
    if kind in _USUAL:
        return f"{null}v if type(v) is {_USUAL[kind].__name__} else "
    if kind is fields.UUIDField:
        return f"{null}v if type(v) is str and is_uuid(v) else "
    if kind is fields.DateTimeField:
        return f"{null}type(v) is str and time(v, {_is_aware(field)}) or "
    if kind in _JSON:
        made = DOCUMENTS[kind].__name__
        return f"{made}(v) if type(v) is {made} else "
    return ""


@functools.lru_cache(maxsize=SHAPES)
def usual(cls: Any) -> Mapping[str, tuple[str, type | None, Callable[[Any], Any] | None]]:
    """Return of each field its attribute, and the type of the values that need no coercion.

    The last of the three makes the value that is to be kept, where that is not the given one.
    """
    kinds: dict[type, tuple[type, Callable[[Any], Any] | None]] = {
        **{kind: (python, None) for kind, python in _USUAL.items()},
        **{kind: (DOCUMENTS[kind], DOCUMENTS[kind]) for kind in _JSON},
    }
    found: dict[str, tuple[str, type | None, Callable[[Any], Any] | None]] = {}
    for name, field in cls.fields.items():
        python, copied = kinds.get(type(field), (None, None))
        if type(field) is fields.UUIDField:
            python, copied = str, functools.partial(coercion.to_uuid, name)
        found[name] = (f"_obj_{name}", python, copied)
    return found


def install(cls: Any) -> None:
    """Give a class what is read most often as properties that do no more than that."""
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
    for name in _attributes(cls):
        object.__setattr__(first, name, None)
