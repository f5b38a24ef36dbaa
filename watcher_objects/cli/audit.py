# SPDX-License-Identifier: Apache-2.0
"""The commands ``audit list`` and ``audit show``."""

import argparse
import contextlib
import datetime
import json
from collections.abc import Mapping
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne
from oslo_context.context import RequestContext
from oslo_utils import uuidutils

from watcher_objects import Audit, Goal, exception
from watcher_objects.audit import AuditStateTransitionManager, State
from watcher_objects.cli import database
from watcher_objects.exception import printable

COLUMNS = ("uuid", "name", "audit_type", "state", "goal", "strategy", "updated_at")


def cell(audit: Audit, name: str, form: str) -> Any:
    """Return a field of an audit as the output format ``form`` shows it.

    Times are in UTC, to the second in a table and exact elsewhere; documents are JSON text
    where the format has no structure of its own.
    """
    value = getattr(audit, name)
    if name in audit.object_fields:
        return None if value is None else value.name
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" if form == "table" else value.isoformat()
    if form in ("json", "yaml"):
        return value
    # What a terminal would obey is shown, not sent.
    text = json.dumps(value) if isinstance(value, dict | list) else value
    return printable(text) if isinstance(text, str) else text


class AuditList(Lister):
    """List audits, oldest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        add("--limit", type=int, metavar="N", help="at most so many")
        add("--marker", metavar="AUDIT", help="begin after the audit with this uuid or id")
        add("--sort-key", metavar="FIELD", help="id by default")
        add("--sort-dir", choices=("asc", "desc"), help="asc by default")
        states = sorted(AuditStateTransitionManager.TRANSITIONS)
        add("--state", type=str.upper, choices=states, help="only those in this state")
        add("--goal", metavar="NAME|UUID", help="only those for this goal")
        add("--deleted", action="store_true", help="deleted ones, too")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the columns and a row for each audit."""
        database.use(self.app)
        deleted = parsed_args.deleted or parsed_args.state == State.DELETED
        audits = Audit.list(
            RequestContext(show_deleted=deleted),
            limit=parsed_args.limit,
            marker=parsed_args.marker,
            filters=_filters(parsed_args),
            sort_key=parsed_args.sort_key,
            sort_dir=parsed_args.sort_dir,
            eager=True,
        )
        form = parsed_args.formatter
        return COLUMNS, [[cell(audit, name, form) for name in COLUMNS] for audit in audits]


def _filters(parsed_args: argparse.Namespace) -> Mapping[str, Any]:
    filters = {}
    if parsed_args.state is not None:
        filters["state"] = parsed_args.state
    if parsed_args.goal is not None:
        # A goal that was deleted may have left audits; one that never was is a mistake.
        context = RequestContext(show_deleted=True)
        is_uuid = uuidutils.is_uuid_like(parsed_args.goal)
        goal = (Goal.get_by_uuid if is_uuid else Goal.get_by_name)(context, parsed_args.goal)
        filters |= {"goal_uuid": goal.uuid} if is_uuid else {"goal_name": goal.name}
    return filters


class AuditShow(ShowOne):
    """Show all fields of an audit."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("audit", help="its uuid, its id or its name")
        parser.add_argument("--deleted", action="store_true", help="also if it is deleted")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the audit's fields and their values."""
        database.use(self.app)
        audit = _find(RequestContext(show_deleted=parsed_args.deleted), parsed_args.audit)
        names = tuple(Audit.fields)
        return names, [cell(audit, name, parsed_args.formatter) for name in names]


def _find(context: RequestContext, text: str) -> Audit:
    """Return the audit with this id or uuid; else, as a name may look like those, so named."""
    with contextlib.suppress(exception.InvalidIdentity, exception.AuditNotFound):
        return Audit.get(context, text, eager=True)
    return Audit.get_by_name(context, text, eager=True)
