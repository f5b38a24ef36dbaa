# SPDX-License-Identifier: Apache-2.0
"""The command ``states``."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from watcher_objects.cli import diagram
from watcher_objects.cli.diagram import STATE_MACHINES, StateMachines
from watcher_objects.cli.drawing import Draw, Drawable
from watcher_objects.transitions import PROFILES

LEGEND = "══▶ only in the profile watcher: db.configure(url, transitions='watcher')"
COLUMNS = ("object", "initial", "new", "condition", "profile")


def text(machines: StateMachines, profile: str) -> str:
    """Return the state diagrams as text."""
    diagrams = [f"{name}\n\n{m.diagram(profile)}\n" for name, m in machines.items()]
    return "\n".join([*diagrams, f"{LEGEND}\n"] if profile == "watcher" else diagrams)


def _draw(draw: Callable[[StateMachines, str], str]) -> Draw:
    return lambda rows, options, out: draw(_selected(options), options.profile)


def _selected(options: argparse.Namespace) -> StateMachines:
    return {n: m for n, m in STATE_MACHINES.items() if options.object in (None, _option(n))}


def _option(name: str) -> str:
    return name.lower().replace(" ", "")


class States(Drawable):
    """Draw the states of audits, action plans and actions, and the transitions between them.

    Draw them as text, in the language of Mermaid or Graphviz, or as SVG; or list the transitions.
    """

    DRAWINGS = {
        "text": _draw(text),
        "mermaid": _draw(diagram.mermaid),
        "dot": _draw(diagram.dot),
        "svg": _draw(diagram.svg),
    }

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
