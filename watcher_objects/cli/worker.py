# SPDX-License-Identifier: Apache-2.0
"""The commands ``worker list`` and ``worker show``."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from watcher_objects import Worker, exception
from watcher_objects.cli import entity
from watcher_objects.db import work

KIND = entity.Kind(Worker, ("uuid", "host", "program", "started_at", "alive_until"))
#: The operators by which the end of a worker's life is compared with the time.
OPERATORS = {"alive": "gte", "dead": "lt"}


def _more_columns() -> Sequence[str]:
    # YAML knows no subclasses of str.
    return ("status", *(str(table.name) for table in work.tables()))


def _more(found: Sequence[Any]) -> Sequence[Any]:
    """Return for each worker whether it is alive, and how many objects of each class it holds."""
    now, held = work.now(), [work.held(table) for table in work.tables()]
    return [
        (
            entity.STATUS[worker.alive_until.replace(tzinfo=None) >= now],
            *(numbers.get(worker.id, 0) for numbers in held),
        )
        for worker in found
    ]


class List(entity.List):
    """List workers, oldest first, and the number of objects that each one holds."""

    kind = KIND

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        for status in OPERATORS:
            help_ = f"only workers that are {status}"
            which.add_argument(
                f"--{status}", dest="status", action="store_const", const=status, help=help_
            )
        return parser

    def filters(self, parsed_args: argparse.Namespace) -> Mapping[str, Any]:
        """Return the filters that the options define."""
        found = dict(super().filters(parsed_args))
        if parsed_args.status is None:
            return found
        name = f"alive_until__{OPERATORS[parsed_args.status]}"
        if name in found:
            raise exception.Invalid("The same filter is given twice")
        return {**found, name: work.now()}

    def more_columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns that are not fields."""
        return _more_columns()

    def more(self, found: Sequence[Any], parsed_args: argparse.Namespace) -> Sequence[Any]:
        """Return the cells of these columns for each worker."""
        return _more(found)


class Show(entity.Show):
    """Show all fields of one worker, and the number of objects that it holds."""

    kind = KIND

    def more_columns(self) -> Sequence[str]:
        """Return the columns that are not fields."""
        return _more_columns()

    def more(self, found: Any, form: str) -> Sequence[Any]:
        """Return the values of these columns."""
        (cells,) = _more([found])
        values: Sequence[Any] = cells
        return values
