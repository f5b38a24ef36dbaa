# SPDX-License-Identifier: Apache-2.0
"""The command ``db purge``."""

import argparse
import contextlib
import datetime
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from watcher_objects import exception
from watcher_objects.cli import connection
from watcher_objects.cli.columns import Table
from watcher_objects.cli.progress import Progress
from watcher_objects.db import models, purge, requests
from watcher_objects.fields import coercion

#: The exit code if the user declined.
REFUSED = 3
#: The exit code after Ctrl-C.
INTERRUPTED = 130
DONE = ("type", "found", "removed", "kept")
PLANNED = ("type", "found", "removed", "would remove", "kept")


class Purge(Table):
    """Remove rows that were soft-deleted long ago and that no other row refers to, and history.

    The history of these rows is removed with them. The options for history remove that of all
    objects, even destroyed ones.
    On a terminal the command asks for confirmation. The exit code is 0 on success, even if there
    was nothing to do; 1 after an error; 3 if the user declined; and 130 after Ctrl-C, which ends
    the purge after the current batch. A purge that was interrupted can be run again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        help_ = "only rows that were deleted at least this many days ago"
        add("--older-than", type=float, metavar="DAYS", help=help_)
        help_ = "also transitions that were made at least this many days ago"
        add("--history-older-than", type=float, metavar="DAYS", help=help_)
        help_ = "also all transitions of each object but the last N, if they are old enough"
        add("--history-keep", type=int, metavar="N", help=help_)
        tables = ", ".join(sorted(purge.TYPES))
        help_ = f"only rows of this table and those deleted with them; may be repeated: {tables}"
        add("--type", action="append", choices=purge.TYPES, metavar="TABLE", help=help_)
        help_ = "only rows in this state; may be repeated"
        add("--state", action="append", type=str.upper, help=help_)
        help_ = "only this goal and rows that refer to it; may be repeated"
        add("--goal", action="append", metavar="NAME|UUID", help=help_)
        help_ = "also idempotency keys that were first used at least this many days ago"
        add("--keys", action="store_true", help=help_)
        help_ = f"maximum number of rows per transaction; {purge.BATCH} by default"
        add("--batch", type=int, metavar="N", default=purge.BATCH, help=help_)
        add("--rate", type=float, metavar="N", help="maximum number of rows removed per second")
        add("--dry-run", action="store_true", help="count the rows, and remove nothing")
        add("--yes", action="store_true", help="do not ask for confirmation")
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns of a purge or of a dry run."""
        return PLANNED if parsed_args.dry_run else DONE

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Remove the rows, and return their numbers by table."""
        connection.use(self.app, must_be_named=True)
        selection, history = _asked(parsed_args)
        pace = purge.Pace(parsed_args.batch, parsed_args.rate)
        self.code = 0
        asks = not parsed_args.yes and self.app.stdin is not None and self.app.stdin.isatty()
        if parsed_args.dry_run or asks:
            with Progress(self.app.stderr) as progress:
                counts = purge.count(selection, progress) if selection else []
                counts += [purge.count_history(history, progress)] if history else []
                counts += _keys(parsed_args, requests.count)
            if parsed_args.dry_run or not self._is_confirmed(counts):
                return PLANNED, [(c.table, c.found, 0, c.removed, c.kept) for c in counts]
        with Progress(self.app.stderr) as progress, _stoppable() as stop:
            counts = purge.remove(selection, pace, progress, stop) if selection else []
            counts += [purge.remove_history(history, pace, progress, stop)] if history else []
            if not stop():
                counts += _keys(parsed_args, requests.forget)
        if stop():
            self.code = INTERRUPTED
            self.app.stderr.write("Interrupted after the rows below; run it again to continue\n")
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
        return super().run(parsed_args) or self.code


def _asked(parsed_args: argparse.Namespace) -> tuple[purge.Selection | None, purge.History | None]:
    """Return which rows are to go, and which transitions."""
    selection = history = None
    days, keep = parsed_args.history_older_than, parsed_args.history_keep
    types, states = parsed_args.type, parsed_args.state
    if days is not None or keep is not None:
        history = purge.History.of(days, keep)
    if parsed_args.older_than is not None:
        of = {"goal": parsed_args.goal} if parsed_args.goal else None
        selection = purge.Selection(parsed_args.older_than, types=types, states=states, of=of)
    elif history is None or types or states or parsed_args.goal or parsed_args.keys:
        reason = "Give --older-than, or only --history-older-than or --history-keep"
        raise exception.Invalid(reason)
    return selection, history


def _keys(
    options: argparse.Namespace, treat: Callable[[datetime.datetime], int]
) -> list[purge.Count]:
    """Count or remove idempotency keys, if that was requested."""
    if not options.keys:
        return []
    number = treat(coercion.ago("older_than", options.older_than, "days"))
    return [purge.Count(models.rpc_requests.name, number, number, 0)]


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed; a second Ctrl-C interrupts."""
    is_noted = threading.Event()

    def note(*ignored: Any) -> None:
        is_noted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield is_noted.is_set
    finally:
        signal.signal(signal.SIGINT, before)
