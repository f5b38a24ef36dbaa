# SPDX-License-Identifier: Apache-2.0
"""The command ``audit create``."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from croniter import CroniterError, croniter
from oslo_context.context import RequestContext
from oslo_utils import timeutils

from watcher_objects import Audit, AuditTemplate, Goal, Strategy, exception
from watcher_objects.cli import connection, entity
from watcher_objects.cli.columns import Record
from watcher_objects.fields import coercion
from watcher_objects.states import AuditType

#: Options that become fields without conversion.
PLAIN_OPTIONS = (
    *("name", "audit_type", "interval", "start_time", "end_time", "hostname"),
    *("auto_trigger", "force"),
)


class Create(Record):
    """Create an audit for a goal or from an audit template, and show it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--goal", metavar="GOAL", help="its name, uuid or id")
        help_ = "its name, uuid or id; provides defaults for the other options"
        source.add_argument("--audit-template", metavar="TEMPLATE", help=help_)
        add = parser.add_argument
        add("--strategy", metavar="STRATEGY", help="its name, uuid or id")
        add("--name", metavar="TEXT", help="default: the strategy, template or goal, and the time")
        add(
            "--type",
            dest="audit_type",
            type=str.upper,
            choices=entity.TYPES,
            default=AuditType.ONESHOT.value,
            help="%(default)s by default",
        )
        add("--interval", metavar="SECONDS|CRON", help="how often a CONTINUOUS audit runs")
        add("--parameters", metavar="JSON", help="for the strategy: JSON, @FILE, or - for stdin")
        add("--scope", metavar="JSON", help="of the cluster: JSON, @FILE, or - for stdin")
        add("--start-time", metavar="TIME", help="ISO 8601, in UTC unless it has a UTC offset")
        add("--end-time", metavar="TIME", help="ISO 8601, in UTC unless it has a UTC offset")
        add("--hostname", metavar="HOST", help="the host of the engine that runs it")
        add("--auto-trigger", action="store_true", help="start its action plan automatically")
        add("--force", action="store_true", help="run even while an action plan is ongoing")
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return tuple(Audit.fields)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the new audit's fields and their values."""
        _check_schedule(parsed_args)
        given = {name: getattr(parsed_args, name) for name in PLAIN_OPTIONS}
        for name, read in (("parameters", coercion.to_dict), ("scope", coercion.to_list)):
            text = getattr(parsed_args, name)
            given[name] = None if text is None else read(name, self._text(text))
        connection.use(self.app)
        context = RequestContext()
        audit = Audit(context, **_completed(context, parsed_args, given))
        audit.create()
        return entity.field_values(audit, parsed_args.formatter)

    def _text(self, given: str) -> str:
        """Return the JSON text of an option: the value itself, a file's content or stdin."""
        if given != "-" and not given.startswith("@"):
            return given
        try:
            # Read bytes: text would be decoded according to the locale.
            text = self._piped() if given == "-" else Path(given[1:]).read_bytes()
            # Windows programs begin text with a byte order mark.
            return text.decode("utf-8-sig")
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise exception.Invalid(f"Cannot read {exception.safe_repr(given)}: {why}") from error

    def _piped(self) -> bytes:
        if self.app.stdin is None:
            raise exception.Invalid("No standard input: pass JSON text or @FILE instead of -")
        piped: bytes = self.app.stdin.buffer.read()
        return piped


def _check_schedule(asked: argparse.Namespace) -> None:
    """Reject times that do not fit the audit's type, by the rules of Watcher's API."""
    kind = asked.audit_type
    if kind == AuditType.CONTINUOUS.value and asked.interval is None:
        raise exception.AuditIntervalNotSpecified(audit_type=kind)
    if kind == AuditType.ONESHOT.value:
        if asked.interval is not None:
            raise exception.AuditIntervalNotAllowed(audit_type=kind)
        if asked.start_time or asked.end_time:
            raise exception.AuditStartEndTimeNotAllowed(audit_type=kind)
    if asked.interval is not None and not _is_valid(asked.interval):
        raise exception.InvalidIntervalOrCron(name=asked.interval)


def _is_valid(interval: str) -> bool:
    """Return whether this is a number of seconds, or a cron expression that ever matches."""
    if interval.isascii() and interval.isdigit():
        return interval.strip("0") != ""
    try:
        return croniter.is_valid(interval) and bool(croniter(interval).get_next())
    except CroniterError:
        return False


def _completed(
    context: RequestContext, asked: argparse.Namespace, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a new audit, completed with the defaults of its template."""
    fields = {name: value for name, value in given.items() if value is not None}
    strategy = entity.find(Strategy, context, asked.strategy) if asked.strategy else None
    if asked.audit_template:
        source = entity.find(AuditTemplate, context, asked.audit_template)
        goal, strategy = source.goal, strategy or source.strategy
        fields["parameters"] = source.default_parameters | fields.get("parameters", {})
        fields.setdefault("scope", source.scope)
    else:
        source = goal = entity.find(Goal, context, asked.goal)
    if strategy:
        if strategy.goal_id != goal.id:
            names = exception.safe_repr(strategy.name), exception.safe_repr(goal.name)
            raise exception.InvalidStrategy(
                "Strategy {} does not belong to goal {}".format(*names)
            )
        source = strategy
    # The default name of Watcher's API; the column has 63 characters.
    fields.setdefault("name", f"{source.name[:36]}-{timeutils.utcnow().isoformat()}")
    return {**fields, "goal": goal, "strategy": strategy}
