# SPDX-License-Identifier: Apache-2.0
"""The commands ``... history`` of the classes with states."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cliff.command import Command
from oslo_context.context import RequestContext
from oslo_utils import uuidutils

from watcher_objects import Transition, exception
from watcher_objects.cli import connection, entity
from watcher_objects.cli.columns import Table

COLUMNS = (
    *("seq", "from_state", "to_state", "at", "kind", "host", "user_id", "project_id"),
    *("request_id", "reason", "gap"),
)


def commands() -> Mapping[str, type[Command]]:
    """Return the commands ``audit history``, ``actionplan history`` and ``action history``."""
    made: dict[str, type[Command]] = {}
    for word, kind in entity.KINDS.items():
        if kind.entity.table.info["state_machine"] is not None:
            one = kind.entity.resource.replace("_", " ")
            about = f"List the transitions of one {one}, oldest first, even if it was destroyed."
            body = {"entity": kind.entity, "__doc__": about, "__module__": __name__}
            name = f"{kind.entity.__name__}History"
            made[f"{word} history"] = type(name, (History,), body)
    return made


class History(Table):
    """List the transitions of one object, also of one that was deleted or destroyed."""

    entity: ClassVar[type[Any]]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        names = "id, uuid or name" if "name" in self.entity.fields else "id or uuid"
        parser.add_argument("identity", metavar="ID", help=f"its {names}")
        parser.add_argument("--limit", type=int, metavar="N", help="only the last N")
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return COLUMNS

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the columns and a row for each transition."""
        connection.use(self.app)
        context = RequestContext(show_deleted=True)
        found = self._find(context, parsed_args.identity, parsed_args.limit)
        form = parsed_args.formatter
        rows = [[entity.cell(step, name, form) for name in COLUMNS] for step in found[::-1]]
        return COLUMNS, rows

    def _find(self, context: RequestContext, identity: str, limit: int | None) -> list[Transition]:
        try:
            obj = entity.find(self.entity, context, identity)
        except exception.ResourceNotFound:
            if not uuidutils.is_uuid_like(identity):
                raise
            # It may have been destroyed.
            gone = self.entity(context, uuid=identity)
            if not (steps := Transition.of(context, gone, limit)):
                raise
            return steps
        return Transition.of(context, obj, limit)
