# SPDX-License-Identifier: Apache-2.0
"""The commands ``db ...``."""

import argparse
from collections.abc import Sequence
from typing import Any

from cliff.command import Command

from watcher_objects.cli import connection
from watcher_objects.cli.columns import Record, Table
from watcher_objects.cli.progress import Progress
from watcher_objects.db import migration


class Upgrade(Command):
    """Create the tables of a database, or upgrade them to a revision."""

    is_down = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        help_ = "a revision's id, or a number of steps"
        if self.is_down:
            add("--revision", required=True, help=f"{help_} like -1, or base")
        else:
            add("--revision", default="head", help=f"{help_} like +1; the newest by default")
        add("--sql", action="store_true", help="print the SQL; FROM:TO needs no database")
        add("--dry-run", action="store_true", help="list the revisions and change nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Migrate the schema, and print the old and the new revision."""
        changes_nothing = parsed_args.sql or parsed_args.dry_run
        may_be_missing = not (changes_nothing or self.is_down)
        connection.use(self.app, ready=False, may_be_missing=may_be_missing, must_be_named=True)
        write, revision = self.app.stdout.write, parsed_args.revision
        if parsed_args.sql:
            write(migration.sql(revision, self.is_down))
        elif parsed_args.dry_run:
            for step in migration.plan(revision, self.is_down):
                write(f"{step.revision}  {step.what}\n")
        else:
            before = migration.version()
            self._move(revision)
            after = migration.version()
            nothing = " (nothing to do)" if before == after else ""
            write(f"{before or 'no tables'} -> {after or 'no tables'}{nothing}\n")

    def _move(self, revision: str) -> None:
        with Progress(self.app.stderr) as progress:
            migration.upgrade(revision, progress=progress)


class Downgrade(Upgrade):
    """Downgrade the tables of a database; what later revisions added is lost."""

    is_down = True

    def _move(self, revision: str) -> None:
        migration.downgrade(revision)


class Stamp(Command):
    """Record the revision of a database without changing its tables."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("revision", help="a revision's id, head or base")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Record the revision."""
        connection.use(self.app, ready=False, must_be_named=True)
        migration.stamp(parsed_args.revision)


class WatchForeign(Command):
    """Create or drop the triggers that record the transitions of other programs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("switch", choices=("on", "off"), help="whether to record them")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Create or drop the triggers."""
        connection.use(self.app, must_be_named=True)
        migration.watch_foreign(parsed_args.switch == "on")


class History(Table):
    """List all revisions, the first one first."""

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return migration.Revision._fields

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the revisions."""
        return migration.Revision._fields, migration.history()


#: The names of severities, which are also the exit codes.
SEVERITIES = ("none", "upgrade", "manual")


class Check(Table):
    """Read the whole database, and report problems and their remedies.

    The exit code is 0 if there are no problems, 1 if an upgrade is required, and 2 if manual
    intervention is required. The table omits findings that need no action, except with -v.
    """

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return ("severity", "problem", "remedy")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the findings, the most severe first."""
        connection.use(self.app, ready=False, must_be_named=True)
        self.found = migration.check()
        rows = [(SEVERITIES[severity], *rest) for severity, *rest in self.found]
        return self.columns(parsed_args), rows

    def produce_output(self, parsed_args: argparse.Namespace, *columns_and_rows: Any) -> int:
        """Print the findings; a table without problems is omitted, so that cron sends no mail."""
        app: Any = self.app
        has_problems = any(severity for severity, *_ in self.found)
        if has_problems or app.options.verbose_level or parsed_args.formatter != "table":
            super().produce_output(parsed_args, *columns_and_rows)
        return 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        return super().run(parsed_args) or max((s for s, *_ in self.found), default=0)


class Version(Record):
    """Show the revision of the database, and the newest revision."""

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return ("revision", "newest")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the two revisions; the first is None if the database has no tables."""
        connection.use(self.app, ready=False, must_be_named=True)
        return self.columns(parsed_args), (migration.version(), migration.history()[-1].revision)
