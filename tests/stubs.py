# SPDX-License-Identifier: Apache-2.0
"""The stub files of the entities: their modules, with the types of the fields as attributes."""

import ast
import subprocess
import sys
import typing
from pathlib import Path

from oslo_versionedobjects import fields as ovo

from tests import factory
from tests.documents import ROOT
from watcher_objects import Transition

_HEAD = """# SPDX-License-Identifier: Apache-2.0
# Generated from {name}.py by `tox run -e fingerprints`.
import builtins
import datetime
from typing import Any, Self

"""


CLASSES = [*factory.CLASSES, Transition]


def files():
    """Return the text of each stub file by its path."""
    modules = sorted({cls.__module__ for cls in CLASSES})
    return {path: stub(path) for path in (Path(sys.modules[name].__file__) for name in modules)}


def write():
    """Write the stub files."""
    for path, text in files().items():
        path.with_suffix(".pyi").write_text(text)


def stub(path):
    """Return what a type checker has to know of the module of an entity."""
    tree = ast.parse(path.read_text())
    classes = {cls.__name__: cls for cls in CLASSES}
    body = [part for node in tree.body for part in _statement(node, classes)]
    used = {name for node in body for name in _names(node)}
    imports = [part for node in tree.body for part in _import(node, used)]
    for name in sorted(used & classes.keys()):
        if classes[name].__module__.rpartition(".")[2] != path.stem:
            imports.append(ast.parse(f"from {classes[name].__module__} import {name}"))
    text = "\n".join(ast.unparse(node) for node in [*imports, *body])
    return _formatted(_HEAD.format(name=path.stem) + text)


def _formatted(text):
    program = [sys.executable, "-m", "ruff"]
    for options in (["check", "--quiet", "--fix", "--select=F401,I"], ["format"]):
        text = subprocess.run(  # noqa: S603 - our own program
            [*program, *options, "--stdin-filename=stub.pyi", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return text


def _import(node, used):
    """Yield an import as far as something of it is used."""
    if isinstance(node, ast.ImportFrom | ast.Import):
        node.names = [n for n in node.names if (n.asname or n.name) in used]
        if node.names:
            yield node


def _statement(node, classes):
    """Yield what a stub has of a statement of a module."""
    if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
        yield node
    elif isinstance(node, ast.ClassDef):
        methods = [_signature(part) for part in node.body if isinstance(part, ast.FunctionDef)]
        attributes = _attributes(classes[node.name]) if node.name in classes else []
        node.body, node.decorator_list = [*attributes, *methods], []
        yield node


def _signature(method):
    method.body = [ast.Expr(ast.Constant(...))]
    return method


def _attributes(cls):
    """Return the fields, and the constructor that takes them."""
    lines = [f"{name}: {_type(cls, name)}" for name in cls.fields]
    arguments = ", ".join(f"{line} = ..." for line in lines)
    lines.append(f"def __init__(self, context: Any = None, *, {arguments}) -> None: ...")
    return ast.parse("\n".join(lines)).body


def _type(cls, name):
    """Return the type of a field as source."""
    field = cls.fields[name]
    optional = field.nullable
    if isinstance(field, ovo.ObjectField):
        # It is what its key leads to.
        optional = cls.fields[f"{name}_id"].nullable
        text = field.objname
    else:
        text = _source(_value_type(type(field)))
    return f"{text} | None" if optional else text


def _value_type(kind):
    """Return the type of the values of a type of fields."""
    for base in kind.__mro__:
        for generic in vars(base).get("__orig_bases__", ()):
            if typing.get_origin(generic) is ovo.AutoTypedField:
                return typing.get_args(generic)[0]
    return typing.Any


def _source(kind):
    if arguments := typing.get_args(kind):
        # An entity has a method of the name of a builtin.
        return f"builtins.{kind.__name__}[{', '.join(map(_source, arguments))}]"
    return (
        kind.__name__
        if kind.__module__ in ("builtins", "typing")
        else (f"{kind.__module__}.{kind.__name__}")
    )


def _names(node):
    """Return the names that a part of a stub uses or offers."""
    parts = [*ast.walk(node)]
    offered = {part.value for part in parts if isinstance(part, ast.Constant)}
    return offered | {part.id for part in parts if isinstance(part, ast.Name)}
