# SPDX-License-Identifier: Apache-2.0
"""Lists that can also be drawn: ``-f`` offers the drawings next to cliff's own formats."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter
from stevedore.extension import Extension, ExtensionManager

from watcher_objects.cli.columns import Table

#: Returns a drawing of a list's rows, given the command's options and the output stream.
Draw = Callable[[Sequence[Sequence[Any]], argparse.Namespace, TextIO], str]


class _Formatter(ListFormatter):
    """The format of a drawing."""

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


class Drawable(Table):
    """A list that can also be drawn; the first of a subclass's drawings is the default."""

    DRAWINGS: Mapping[str, Draw]

    @property
    def formatter_default(self) -> str:
        """The format to use without ``-f``."""
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
        """Print the list or a drawing; a drawing ignores ``-c`` and ``--sort-column``."""
        if parsed_args.formatter in self.DRAWINGS:
            parsed_args.columns, parsed_args.sort_columns = [], []
        return super().produce_output(parsed_args, column_names, data)
