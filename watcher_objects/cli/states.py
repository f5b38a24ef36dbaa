# SPDX-License-Identifier: Apache-2.0
"""The command ``states``."""

import argparse
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter
from stevedore.extension import Extension, ExtensionManager

from watcher_objects.cli import diagram
from watcher_objects.cli.columns import Table
from watcher_objects.cli.diagram import STATE_MACHINES, StateMachines
from watcher_objects.transitions import PROFILES

LEGEND = "══▶ only in the profile watcher: db.configure(url, transitions='watcher')"
COLUMNS = ("object", "initial", "new", "condition", "profile")


def text(machines: StateMachines, profile: str) -> str:
    """Return the state diagrams as text."""
    diagrams = [f"{name}\n\n{m.diagram(profile)}\n" for name, m in machines.items()]
    return "\n".join([*diagrams, f"{LEGEND}\n"] if profile == "watcher" else diagrams)


#: The formats that ``-f`` offers in addition to cliff's own; the first is the default.
DRAWINGS = {"text": text, "mermaid": diagram.mermaid, "dot": diagram.dot, "svg": diagram.svg}


def _selected(options: argparse.Namespace) -> StateMachines:
    return {n: m for n, m in STATE_MACHINES.items() if options.object in (None, _option(n))}


def _option(name: str) -> str:
    return name.lower().replace(" ", "")


class _Formatter(ListFormatter):
    """A format that prints a drawing instead of the rows."""

    def __init__(self, draw: Callable[[StateMachines, str], str]) -> None:
        self.draw = draw

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_list(
        self, column_names: Any, data: Any, stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        """Print the drawing."""
        stdout.write(self.draw(_selected(parsed_args), parsed_args.profile))


class States(Table):
    """Draw the states of audits, action plans and actions, and the transitions between them.

    Draw them as text, in the language of Mermaid or Graphviz, or as SVG; or list the transitions.
    """

    formatter_default = next(iter(DRAWINGS))

    def _load_formatter_plugins(self) -> ExtensionManager[ListFormatter]:
        found = super()._load_formatter_plugins()
        for name, draw in DRAWINGS.items():
            point = EntryPoint(name, __name__, self.formatter_namespace)
            found.extensions.append(Extension(name, point, _Formatter, _Formatter(draw)))
        return found

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any
    ) -> int:
        """Print the list or a drawing; a drawing ignores ``-c`` and ``--sort-column``."""
        if parsed_args.formatter in DRAWINGS:
            parsed_args.columns, parsed_args.sort_columns = [], []
        return super().produce_output(parsed_args, column_names, data)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        help_ = "strict: as documented; watcher (default): also what Watcher's services do"
        parser.add_argument("--profile", choices=PROFILES, default="watcher", help=help_)
        objects = [*map(_option, STATE_MACHINES)]
        parser.add_argument("--object", choices=objects, help="only this object's states")
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return COLUMNS

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each transition."""
        moves = (
            (name, *move)
            for name, machine in _selected(parsed_args).items()
            for move in machine.moves(parsed_args.profile)
        )
        return COLUMNS, moves
