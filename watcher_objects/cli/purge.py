# SPDX-License-Identifier: Apache-2.0
"""The command ``db purge``."""

import argparse
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cliff.lister import Lister

from watcher_objects.cli import connection
from watcher_objects.cli.progress import Progress
from watcher_objects.db import purge

#: The exit code where the answer was no.
REFUSED = 3
#: ... and where Ctrl-C came.
INTERRUPTED = 130
DONE = ("type", "found", "removed", "kept")
PLANNED = ("type", "found", "removed", "would remove", "kept")


class Purge(Lister):
    """Remove what was soft-deleted long ago, and nothing else points at.

    On a terminal it asks before. The exit code is 0 when that is done, also where there was
    nothing to do; 1 after an error; 3 where the answer was no; and 130 after Ctrl-C, upon which
    it finishes the rows in hand. What was removed by then stays removed; run it again to go on.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        told = "deleted at least so long ago"
        add("--older-than", type=float, metavar="DAYS", required=True, help=told)
        tables = ", ".join(sorted(purge.TYPES))
        told = f"only rows of this table, and what goes with them; may be repeated: {tables}"
        add("--type", action="append", choices=purge.TYPES, metavar="TABLE", help=told)
        told = "only rows in this state; may be repeated"
        add("--state", action="append", type=str.upper, help=told)
        told = "only this goal, and rows that lead to it; may be repeated"
        add("--goal", action="append", metavar="NAME|UUID", help=told)
        told = f"remove at most so many rows in a transaction; {purge.BATCH} by default"
        add("--batch", type=int, metavar="N", default=purge.BATCH, help=told)
        add("--rate", type=float, metavar="N", help="remove at most so many rows in a second")
        add("--dry-run", action="store_true", help="only count, and remove nothing")
        add("--yes", action="store_true", help="do not ask")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Remove the rows, and return how many of each table."""
        connection.use(self.app)
        of = {"goal": parsed_args.goal} if parsed_args.goal else None
        selection = purge.Selection(
            parsed_args.older_than, types=parsed_args.type, states=parsed_args.state, of=of
        )
        pace = purge.Pace(parsed_args.batch, parsed_args.rate)
        self.code = 0
        asks = not parsed_args.yes and self.app.stdin is not None and self.app.stdin.isatty()
        if parsed_args.dry_run or asks:
            with Progress(self.app.stderr) as progress:
                counts = purge.count(selection, progress)
            if parsed_args.dry_run or not self._is_confirmed(counts):
                return PLANNED, [(c.table, c.found, 0, c.removed, c.kept) for c in counts]
        with Progress(self.app.stderr) as progress, _stoppable() as stop:
            counts = purge.remove(selection, pace, progress, stop)
        if stop():
            self.code = INTERRUPTED
            self.app.stderr.write("Interrupted: what is told is done; run it again to go on\n")
        return DONE, counts

    def _is_confirmed(self, counts: Sequence[purge.Count]) -> bool:
        number = sum(count.removed for count in counts)
        if not number:
            return True
        self.app.stderr.write(f"Remove {number} rows? [y/N] ")
        self.app.stderr.flush()
        answer = self.app.stdin.readline().strip().lower()
        self.code = 0 if answer in ("y", "yes") else REFUSED
        return self.code == 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        super().run(parsed_args)
        return self.code


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C only be noted, and tell whether it was; the second ends all."""
    is_noted = threading.Event()

    def note(*ignored: Any) -> None:
        is_noted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield is_noted.is_set
    finally:
        signal.signal(signal.SIGINT, before)
