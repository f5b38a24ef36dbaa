# SPDX-License-Identifier: Apache-2.0
"""Code that is generated once per class from its fields, and runs once per object.

Each of these functions has a slower equivalent that works for fields of any type; those here
are for the field types of this library and values of the usual types.
"""

import datetime
import functools
import linecache
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from watcher_objects import fields
from watcher_objects.db.backend.dialects.base import Backend
from watcher_objects.db.statements import SHAPES
from watcher_objects.fields import coercion
from watcher_objects.persistence.lazy_json import DOCUMENTS, install_lazy_json

#: The types of fields whose values are as the driver gives them.
PLAIN = (fields.StringField, fields.UUIDField, fields.IntegerField)
#: The types of fields whose values of one Python type are taken as they are.
USUAL = {fields.StringField: str, fields.IntegerField: int, fields.BooleanField: bool}
#: The types of fields whose values are documents in a primitive, too.
JSON = (fields.FlexibleDictField, fields.FlexibleListOfDictField)


def compile_function(cls: Any, signature: str, lines: Iterable[str], /, **known: Any) -> Any:
    """Return the function that these lines define; ``known`` are their global names.

    Debuggers and tracebacks find the source by its file name.
    """
    source = "\n    ".join([f"def {signature}:", *lines])
    name = signature.partition("(")[0]
    file = f"<generated {cls.__module__}.{cls.__qualname__}.{name}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), known)  # noqa: S102 - of names of fields only
    return known[name]


@functools.lru_cache(maxsize=SHAPES)
def _blank(cls: Any) -> type:
    """Return a class for new objects, which become instances of ``cls`` once attributes are set.

    It has no ``__setattr__`` that would be asked about each. Its objects share the names of
    their attributes, in Python, as far as the first of them had them all.
    """
    new = type(cls.__name__, (), {})
    first = new()
    for name in _attributes(cls):
        setattr(first, name, None)
    return new


def _attributes(cls: Any) -> list[str]:
    rows = (f"_row_{name}" for name in cls._snapshot_fields())
    return ["_context", *rows, *(f"_obj_{name}" for name in cls.fields), "_changed_fields"]


def constructor(
    cls: Any, signature: str, lines: Iterable[str], **known: Any
) -> Callable[..., Any]:
    """Return the function that these lines define, which creates an object from a blank one."""
    made_of = {"cls": cls, "blank": _blank(cls), "new": object.__new__, "fields": cls.fields}
    function: Callable[..., Any] = compile_function(cls, signature, lines, **made_of, **known)
    return function


@functools.lru_cache(maxsize=SHAPES)
def row_loader(cls: Any, backend: Backend) -> Callable[[Any, Any], Any]:
    """Return a function that creates an object from a context and the cells of a row.

    For unusual values it calls the class's ``_from_row_coerced``.
    """
    install_lazy_json(cls)
    cells = ", ".join(f"c{index}" for index in range(len(cls.table.columns)))
    needed, read, stores, coerced = _cells_read(cls, backend)
    lines = [
        f"{cells}, = cells",
        f"if {' or '.join(f'{cell} is None' for cell in needed) or 'False'}:",
        "    return slowly(context, cells)",
        "self = new(blank)",
        "try:",
        *(f"    {line}" for line in [*read, *stores]),
        "    self._context = context",
        "    self.__class__ = cls",
        *(f"    {line}" for line in coerced),
        "    return self",
        # Not from there: the driver's value would be in the traceback.
        "except (TypeError, ValueError, AttributeError): pass",
        "return slowly(context, cells)",
    ]
    return constructor(
        cls,
        "load_row(context, cells)",
        lines,
        parsed=datetime.datetime.fromisoformat,
        combined=datetime.datetime.combine,
        utc=datetime.UTC,
        slowly=cls._from_row_coerced,
    )


def _cells_read(cls: Any, backend: Backend) -> tuple[list[str], ...]:
    """Return the cells that must not be NULL, and the lines that read, store and coerce."""
    needed: list[str] = []
    read: list[str] = []
    stores: list[str] = []
    coerced: list[str] = []
    for index, column in enumerate(cls.table.columns):
        name, cell = column.name, f"c{index}"
        field = cls.fields.get(name)
        if name in cls._snapshot_fields():
            stores.append(f"self._row_{name} = {cell}")
        if field is None or name in cls._json_fields():
            continue
        value = _from_cell(field, cell, backend)
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


def _from_cell(field: Any, cell: str, backend: Backend) -> str | None:
    """Return the expression for the value of a field; None if it has to be coerced."""
    if type(field) in PLAIN:
        return cell
    if type(field) is fields.BooleanField:
        return cell if backend.loads_booleans else f"None if {cell} is None else {cell} != 0"
    if type(field) is fields.DateTimeField:
        if backend.times_are_text:
            value = f"parsed({cell} + '+00:00')" if is_aware(field) else f"parsed({cell})"
        else:
            value = f"combined({cell}, {cell}.time(), utc)" if is_aware(field) else cell
        return f"None if {cell} is None else {value}"
    return None


def is_aware(field: Any) -> bool:
    """Return whether the times of a field are timezone-aware."""
    return bool(field._type.tzinfo_aware)


@functools.lru_cache(maxsize=SHAPES)
def fast_types(cls: Any) -> Mapping[str, tuple[str, type | None, Callable[[Any], Any] | None]]:
    """Return the attribute of each field, and the type of values that need no coercion.

    The third item converts such a value; None if it is kept as it is.
    """
    kinds: dict[type, tuple[type, Callable[[Any], Any] | None]] = {
        **{kind: (python, None) for kind, python in USUAL.items()},
        **{kind: (DOCUMENTS[kind], DOCUMENTS[kind]) for kind in JSON},
    }
    found: dict[str, tuple[str, type | None, Callable[[Any], Any] | None]] = {}
    for name, field in cls.fields.items():
        python, copied = kinds.get(type(field), (None, None))
        if type(field) is fields.UUIDField:
            python, copied = str, functools.partial(coercion.to_uuid, name)
        found[name] = (f"_obj_{name}", python, copied)
    return found


def install(cls: Any) -> None:
    """Give a class fast properties for its fields."""
    for name in cls.fields:
        known: property = getattr(cls, name)
        lines = [
            "try:",
            f"    return self._obj_{name}",
            "except AttributeError:",
            f"    self.obj_load_attr({name!r})",
            f"    return self._obj_{name}",
        ]
        getter = compile_function(cls, f"get_{name}(self)", lines)
        setattr(cls, name, property(getter, known.fset, known.fdel))
    install_lazy_json(cls)
    first = object.__new__(cls)
    for name in _attributes(cls):
        object.__setattr__(first, name, None)
