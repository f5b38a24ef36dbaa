# SPDX-License-Identifier: Apache-2.0
"""Validation of the columns that ``-c`` and ``--sort-column`` name."""

import abc
import argparse
from collections.abc import Sequence
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

#: The exit code of argparse for an invalid command line.
WRONG_USAGE = 2


class Columns(Command):
    """A command that rejects unknown columns, which cliff silently ignores."""

    @abc.abstractmethod
    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the names of the columns."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        known = self.columns(parsed_args)
        asked = [*parsed_args.columns, *getattr(parsed_args, "sort_columns", ())]
        plain = {_plain(name) for name in known}
        unknown = [name for name in asked if _plain(name) not in plain]
        if unknown:
            app: Any = self.app
            app.LOG.error("Unknown column %s; expected %s", unknown[0], ", ".join(known))
            return WRONG_USAGE
        return super().run(parsed_args)


class Table(Columns, Lister):
    """A command that lists rows."""


class Record(Columns, ShowOne):
    """A command that shows one thing."""


def _plain(name: str) -> str:
    # This is how cliff compares names.
    return name.lower().strip().replace(" ", "_")
