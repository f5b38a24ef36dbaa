# SPDX-License-Identifier: Apache-2.0
"""The command ``states``."""

import argparse

from cliff.command import Command

from watcher_objects.states import (
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
    AuditStateTransitionManager,
)
from watcher_objects.transitions import PROFILES

LIVES = {
    "Audit": AuditStateTransitionManager,
    "Action plan": ActionPlanStateTransitionManager,
    "Action": ActionStateTransitionManager,
}
LEGEND = (
    "══▶ in the profile watcher only, of which db.configure(url, transitions='watcher') is told"
)


class States(Command):
    """Draw which states of audits, action plans and actions may follow which."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        told = "strict: what is documented; watcher, the default: that, and what the profile adds"
        parser.add_argument("--profile", choices=PROFILES, default="watcher", help=told)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print the drawings."""
        write = self.app.stdout.write
        for name, life in LIVES.items():
            write(f"{name}\n\n{life.diagram(parsed_args.profile)}\n\n")
        if parsed_args.profile == "watcher":
            write(f"{LEGEND}\n")
