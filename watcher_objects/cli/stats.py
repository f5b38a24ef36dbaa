# SPDX-License-Identifier: Apache-2.0
"""The command ``audit stats``."""

import argparse
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oslo_utils import timeutils

from watcher_objects import Audit
from watcher_objects.cli import chart, connection, entity, svg
from watcher_objects.cli.chart import Bar
from watcher_objects.cli.drawing import Drawable
from watcher_objects.db import counts
from watcher_objects.exception import printable
from watcher_objects.transitions import DELETED

COLUMNS = ("by", "value", "count")
#: How old an audit is at most, oldest first; what is older has no limit.
AGES = {
    "< 1 year": datetime.timedelta(days=365),
    "< 30 days": datetime.timedelta(days=30),
    "< 1 week": datetime.timedelta(weeks=1),
    "< 1 day": datetime.timedelta(days=1),
    "< 1 hour": datetime.timedelta(hours=1),
}
OLDEST_FIRST = ("older", *AGES)


class Question(NamedTuple):
    """By what audits are counted."""

    column: str
    #: The values that are told also where no audit has them.
    known: Sequence[str] = ()


QUESTIONS = {
    "state": Question("state", [s for s in Audit.table.info["moves"].TRANSITIONS if s != DELETED]),
    "type": Question("audit_type", entity.TYPES),
    "host": Question("hostname"),
    "age": Question("created_at", OLDEST_FIRST[::-1]),
}


def bars(by: str, **options: Any) -> Iterator[Bar]:
    """Yield how many audits have which value: those that are known, then the most frequent.

    :param options: for :func:`watcher_objects.db.counts.count`
    """
    found = _found(by, options)
    known = QUESTIONS[by].known
    others = found.keys() - {*known}
    for value in (*known, *sorted(others, key=lambda v: (-found[v], v is None, v or ""))):
        yield Bar(by, value, found.get(value, 0))


def _found(by: str, options: Mapping[str, Any]) -> Mapping[str | None, int]:
    column = QUESTIONS[by].column
    if by != "age":
        return counts.count(Audit.table, column, **options)
    now = timeutils.utcnow()
    marks = [now - age for age in AGES.values()]
    found = counts.count(Audit.table, column, marks=marks, **options)
    return {n if n is None else OLDEST_FIRST[n]: number for n, number in found.items()}


class Stats(Drawable):
    """Count audits by state, type, host and age: as bars, or as a list."""

    DRAWINGS = {"chart": lambda rows, asked, out: chart.text([Bar(*row) for row in rows], out)}

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        told = "by this only; may be given again"
        parser.add_argument("--by", action="append", choices=[*QUESTIONS], help=told)
        told = "write the bars as a picture, too; only a picture is written over"
        parser.add_argument("--svg", type=Path, metavar="FILE", help=told)
        entity.add_filters(parser, Audit)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each value that audits are counted by."""
        connection.use(self.app)
        options = {
            "wanted": entity.filters(Audit, parsed_args),
            "show_deleted": entity.shows_deleted(parsed_args),
        }
        asked = dict.fromkeys(parsed_args.by or QUESTIONS)
        found = [bar for by in asked for bar in bars(by, **options)]
        if parsed_args.svg:
            moment = f"{timeutils.utcnow():%Y-%m-%d %H:%M} UTC"
            svg.write(parsed_args.svg, chart.picture("Audits", moment, found))
        if parsed_args.formatter in ("json", "yaml", "chart"):
            return COLUMNS, found
        # What a terminal would obey is shown, not sent.
        return COLUMNS, [(by, v and printable(v), number) for by, v, number in found]
