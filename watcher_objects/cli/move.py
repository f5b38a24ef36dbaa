# SPDX-License-Identifier: Apache-2.0
"""The commands that move audits from state to state, as the table of the states allows."""

import argparse
from typing import Any, ClassVar

from cliff.lister import Lister
from oslo_context.context import RequestContext

from watcher_objects import Audit, exception
from watcher_objects.cli import connection, entity
from watcher_objects.db import rules
from watcher_objects.states import State


class Move(Lister):
    """Move audits, each for itself; exits with 1 where one was refused."""

    state: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("audits", nargs="+", metavar="AUDIT", help="its id, uuid or name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return a row for each audit that was moved, and say on stderr which was not."""
        connection.use(self.app)
        rows = []
        for text in parsed_args.audits:
            try:
                rows.append(self._moved(text, parsed_args.formatter))
            except exception.WatcherException as error:
                app: Any = self.app
                app.LOG.error("%s", error, exc_info=app.options.debug)
        self.is_complete = len(rows) == len(parsed_args.audits)
        return ("uuid", "name", "was", "is"), rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the exit code."""
        super().run(parsed_args)
        return 0 if self.is_complete else 1

    def _moved(self, text: str, form: str) -> tuple[Any, ...]:
        audit = entity.find(Audit, RequestContext(), text)
        self._move(audit)
        uuid, name, state = (
            entity.cell(audit, field, form) for field in ("uuid", "name", "state")
        )
        return uuid, name, audit.old_state, state

    def _move(self, audit: Audit) -> None:
        if audit.state == self.state:
            # To the library that is no change.
            rules.check_move(Audit.table, audit.as_dict(), self.state)
        audit.state = self.state
        audit.save()


class Start(Move):
    """Let audits run that are PENDING or SUSPENDED, or of type EVENT and SUCCEEDED."""

    state = State.ONGOING


class Resume(Start):
    """Let suspended audits run again; does what start does."""


class Suspend(Move):
    """Let audits rest that are ONGOING, until they are resumed."""

    state = State.SUSPENDED


class Cancel(Move):
    """Cancel audits that are PENDING or ONGOING."""

    state = State.CANCELLED


class Delete(Move):
    """Delete audits softly: out of sight, for good; PENDING and ONGOING ones are refused."""

    state = State.DELETED

    def _move(self, audit: Audit) -> None:
        audit.soft_delete()
