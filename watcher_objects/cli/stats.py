# SPDX-License-Identifier: Apache-2.0
"""The command ``audit stats``."""

import argparse
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from oslo_utils import timeutils

from watcher_objects import Audit
from watcher_objects.cli import connection, entity
from watcher_objects.cli.columns import Table
from watcher_objects.db import counts, work
from watcher_objects.exception import escape_control
from watcher_objects.transitions import DELETED

COLUMNS = ("by", "value", "count")
#: The maximum age of the audits in each class, oldest first.
AGES = {
    "< 1 year": datetime.timedelta(days=365),
    "< 30 days": datetime.timedelta(days=30),
    "< 1 week": datetime.timedelta(weeks=1),
    "< 1 day": datetime.timedelta(days=1),
    "< 1 hour": datetime.timedelta(hours=1),
}
OLDEST_FIRST = ("older", *AGES)
MACHINE = Audit.table.info["state_machine"]


class Question(NamedTuple):
    """A property by which audits are counted."""

    column: str
    #: The values that are listed even if no audit has them.
    known: Sequence[str] = ()


QUESTIONS = {
    "state": Question("state", [s for s in MACHINE.TRANSITIONS if s != DELETED]),
    "type": Question("audit_type", entity.TYPES),
    "host": Question("hostname"),
    "age": Question("created_at", OLDEST_FIRST[::-1]),
}
#: The properties, the work that audits are, and the workers that do it.
KINDS = (*QUESTIONS, "work", "workers")

Row = tuple[str, str | None, int | None]


def rows(by: str, **options: Any) -> Iterator[Row]:
    """Yield numbers: known values first, then the most frequent.

    :param options: for :func:`watcher_objects.db.counts.count`
    """
    if by == "work":
        yield from _work(options["filters"])
    elif by == "workers":
        found = work.count_workers()._asdict()
        yield from ((by, status, number) for status, number in found.items())
    else:
        yield from _numbers(by, options)


def _work(filters: Mapping[str, Any]) -> Iterator[Row]:
    found = work.count(Audit.table, filters)
    seconds = None if found.oldest is None else round(found.oldest)
    yield "work", f"seconds of the oldest {MACHINE.WAITING}", seconds
    yield "work", f"due {MACHINE.RUNNING}", found.due
    yield "work", f"stuck {MACHINE.RUNNING}", found.abandoned


def _numbers(by: str, options: Mapping[str, Any]) -> Iterator[Row]:
    found = _found(by, options)
    known = QUESTIONS[by].known
    others = found.keys() - {*known}
    for value in (*known, *sorted(others, key=lambda v: (-found[v], v is None, v or ""))):
        yield by, value, found.get(value, 0)


def _found(by: str, options: Mapping[str, Any]) -> Mapping[str | None, int]:
    column = QUESTIONS[by].column
    if by != "age":
        return counts.count(Audit.table, column, **options)
    now = timeutils.utcnow()
    marks = [now - age for age in AGES.values()]
    found = counts.count(Audit.table, column, marks=marks, **options)
    return {n if n is None else OLDEST_FIRST[n]: number for n, number in found.items()}


class Stats(Table):
    """Count audits by state, type, host and age, those that wait or are stuck, and workers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        help_ = "count only by this; may be repeated"
        parser.add_argument("--by", action="append", choices=KINDS, help=help_)
        entity.add_filters(parser, Audit)
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return COLUMNS

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each value."""
        connection.use(self.app)
        options = {
            "filters": entity.filters(Audit, parsed_args),
            "show_deleted": entity.shows_deleted(parsed_args),
        }
        asked = dict.fromkeys(parsed_args.by or KINDS)
        found = [row for by in asked for row in rows(by, **options)]
        if parsed_args.formatter in ("json", "yaml"):
            return COLUMNS, found
        # Terminal control sequences are escaped.
        return COLUMNS, [(by, v and escape_control(v), number) for by, v, number in found]
