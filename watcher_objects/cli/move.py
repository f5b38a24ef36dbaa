# SPDX-License-Identifier: Apache-2.0
"""The commands that change the state of audits."""

import argparse
import getpass
from collections.abc import Sequence
from typing import Any, ClassVar

from oslo_context.context import RequestContext

from watcher_objects import Audit, exception, journal
from watcher_objects.cli import connection, entity
from watcher_objects.cli.columns import Table
from watcher_objects.db.sql import state_guard
from watcher_objects.states import State

COLUMNS = ("uuid", "name", "from", "to")


class Move(Table):
    """Change the state of audits one by one; exit with 1 if a transition was rejected."""

    state: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("audits", nargs="+", metavar="AUDIT", help="its id, uuid or name")
        help_ = "why, for the history; by default the command and who runs it"
        parser.add_argument("--reason", metavar="TEXT", help=help_)
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return COLUMNS

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each audit that was changed, and log an error for each other."""
        connection.use(self.app)
        rows = []
        reason = parsed_args.reason or f"{self.cmd_name}, run by {getpass.getuser()}"
        for text in parsed_args.audits:
            try:
                with journal.because(reason):
                    rows.append(self._moved(text, parsed_args.formatter))
            except exception.WatcherException as error:
                app: Any = self.app
                app.LOG.error("%s", error, exc_info=app.options.debug)
        self.is_complete = len(rows) == len(parsed_args.audits)
        return COLUMNS, rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        return super().run(parsed_args) or (0 if self.is_complete else 1)

    def _moved(self, text: str, form: str) -> tuple[Any, ...]:
        audit = entity.find(Audit, RequestContext(), text)
        self._move(audit)
        uuid, name, state = (
            entity.cell(audit, field, form) for field in ("uuid", "name", "state")
        )
        return uuid, name, audit.old_state, state

    def _move(self, audit: Audit) -> None:
        audit.state = self.state
        if not audit.obj_what_changed():
            # In the profile ``watcher``, assigning the same state requests nothing.
            state_guard.check_move(Audit.table, audit.as_dict(), self.state)
        audit.save()


class Start(Move):
    """Start audits that are PENDING or SUSPENDED, or of type EVENT and SUCCEEDED."""

    state = State.ONGOING


class Resume(Start):
    """Resume suspended audits; the same as start."""


class Suspend(Move):
    """Suspend audits that are ONGOING, until they are resumed."""

    state = State.SUSPENDED


class Cancel(Move):
    """Cancel audits that are PENDING or ONGOING."""

    state = State.CANCELLED


class Delete(Move):
    """Soft-delete audits; PENDING and ONGOING audits are rejected."""

    state = State.DELETED

    def _move(self, audit: Audit) -> None:
        audit.soft_delete()
