# SPDX-License-Identifier: Apache-2.0
"""Lists that can also be drawn: ``-f`` has the formats of their drawings, and cliff's."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter
from cliff.lister import Lister
from stevedore.extension import Extension, ExtensionManager

#: Returns a drawing of the rows of a list: for what was asked, and where it is to be printed.
Draw = Callable[[Sequence[Sequence[Any]], argparse.Namespace, TextIO], str]


class _Formatter(ListFormatter):
    """A format that is a drawing."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Print the drawing."""
        stdout.write(self.draw([*data], parsed_args, stdout))


class Drawable(Lister):
    """A list that can also be drawn; a subclass says how, the first is the default."""

    DRAWINGS: Mapping[str, Draw]

    @property
    def formatter_default(self) -> str:
        """The name of the format that is used where none is named."""
        return next(iter(self.DRAWINGS))

    def _load_formatter_plugins(self) -> ExtensionManager[ListFormatter]:
        found = super()._load_formatter_plugins()
        for name, draw in self.DRAWINGS.items():
            point = EntryPoint(name, __name__, self.formatter_namespace)
            found.extensions.append(Extension(name, point, _Formatter, _Formatter(draw)))
        return found

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any
    ) -> int:
        """Print the list, or a drawing, which has all columns and an order of its own."""
        if parsed_args.formatter in self.DRAWINGS:
            parsed_args.columns, parsed_args.sort_columns = [], []
        return super().produce_output(parsed_args, column_names, data)
