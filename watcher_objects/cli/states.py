# SPDX-License-Identifier: Apache-2.0
"""The command ``states``."""

import argparse
from collections.abc import Callable
from typing import Any

from watcher_objects.cli import diagram, picture
from watcher_objects.cli.diagram import Lives
from watcher_objects.cli.drawing import Draw, Drawable
from watcher_objects.states import (
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
    AuditStateTransitionManager,
)
from watcher_objects.transitions import PROFILES

LIVES: Lives = {
    "Audit": AuditStateTransitionManager,
    "Action plan": ActionPlanStateTransitionManager,
    "Action": ActionStateTransitionManager,
}
LEGEND = (
    "══▶ in the profile watcher only, of which db.configure(url, transitions='watcher') is told"
)
COLUMNS = ("life", "initial", "new", "condition", "profile")


def drawn(lives: Lives, profile: str) -> str:
    """Return the life-cycles as text."""
    drawings = [f"{name}\n\n{life.diagram(profile)}\n" for name, life in lives.items()]
    return "\n".join([*drawings, f"{LEGEND}\n"] if profile == "watcher" else drawings)


def _draw(draw: Callable[[Lives, str], str]) -> Draw:
    return lambda rows, asked, out: draw(_lives(asked), asked.profile)


def _lives(asked: argparse.Namespace) -> Lives:
    return {name: life for name, life in LIVES.items() if asked.life in (None, _option(name))}


def _option(name: str) -> str:
    return name.lower().replace(" ", "")


class States(Drawable):
    """Draw which states of audits, action plans and actions may follow which.

    As text, in the languages of Mermaid and Graphviz, or as a picture; or list the moves.
    """

    DRAWINGS = {
        "text": _draw(drawn),
        "mermaid": _draw(diagram.mermaid),
        "dot": _draw(diagram.dot),
        "svg": _draw(picture.drawn),
    }

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        told = "strict: what is documented; watcher, the default: that, and what the profile adds"
        parser.add_argument("--profile", choices=PROFILES, default="watcher", help=told)
        parser.add_argument("--life", choices=[*map(_option, LIVES)], help="of these only")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each move."""
        moves = (
            (name, *move)
            for name, life in _lives(parsed_args).items()
            for move in life.moves(parsed_args.profile)
        )
        return COLUMNS, moves
