# SPDX-License-Identifier: Apache-2.0
"""The commands ``db ...``."""

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from watcher_objects.cli import connection
from watcher_objects.cli.progress import Progress
from watcher_objects.db import migration


class Upgrade(Command):
    """Make the database's tables, or bring them up to a revision."""

    is_down = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        told = "a revision's id, or a number of steps"
        if self.is_down:
            add("--revision", required=True, help=f"{told} like -1, or base")
        else:
            add("--revision", default="head", help=f"{told} like +1; the newest by default")
        add("--sql", action="store_true", help="print the SQL; that of FROM:TO needs no database")
        add("--dry-run", action="store_true", help="list the revisions, and change nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Move the schema, and tell from where to where."""
        only_told = parsed_args.sql or parsed_args.dry_run
        connection.use(self.app, ready=False, may_be_missing=not (only_told or self.is_down))
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
        with Progress(self.app.stderr) as told:
            migration.upgrade(revision, progress=told)


class Downgrade(Upgrade):
    """Take the database's tables down to a revision; what newer ones added is lost."""

    is_down = True

    def _move(self, revision: str) -> None:
        migration.downgrade(revision)


class Stamp(Command):
    """Say that the database's tables are at a revision, and change nothing of them."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("revision", help="a revision's id, head or base")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the revision down."""
        connection.use(self.app, ready=False)
        migration.stamp(parsed_args.revision)


class History(Lister):
    """List the revisions, from the first on."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the revisions."""
        return migration.Revision._fields, migration.history()


class Check(Lister):
    """Tell what is wrong with the database and what to do, reading all of it.

    Exits with 0 where all is right, 1 where an upgrade is needed, and 2 where a person is.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the findings, the worst first."""
        connection.use(self.app, ready=False)
        self.found = migration.check()
        rows = [(finding.need.name.lower(), *finding[1:]) for finding in self.found]
        return ("need", "what", "advice"), rows

    def produce_output(self, parsed_args: argparse.Namespace, *told: Any) -> int:
        """Print the findings; a table of none is left out, so that cron sends no mail."""
        if self.found or parsed_args.formatter != "table":
            super().produce_output(parsed_args, *told)
        return 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        super().run(parsed_args)
        return max((finding.need for finding in self.found), default=0)


class Version(ShowOne):
    """Show which revision the database's tables are at, and which is the newest."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the two revisions; that of a database without tables is None."""
        connection.use(self.app, ready=False)
        return ("revision", "newest"), (migration.version(), migration.history()[-1].revision)
