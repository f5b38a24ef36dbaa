# SPDX-License-Identifier: Apache-2.0
"""The command ``audit create``."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cliff.show import ShowOne
from croniter import CroniterError, croniter
from oslo_context.context import RequestContext
from oslo_utils import timeutils

from watcher_objects import Audit, AuditTemplate, Goal, Strategy, coercion, exception
from watcher_objects.cli import connection, entity
from watcher_objects.states import AuditType

#: What is taken from the command line as it is.
TAKEN = (
    *("name", "audit_type", "interval", "start_time", "end_time", "hostname"),
    *("auto_trigger", "force"),
)


class Create(ShowOne):
    """Ask for an optimisation: by a goal, or as a template says; the new audit is shown."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        made_of = parser.add_mutually_exclusive_group(required=True)
        made_of.add_argument("--goal", metavar="GOAL", help="its name, uuid or id")
        told = "its name, uuid or id; what is not given here is as there"
        made_of.add_argument("--audit-template", metavar="TEMPLATE", help=told)
        add = parser.add_argument
        add("--strategy", metavar="STRATEGY", help="its name, uuid or id")
        add("--name", metavar="TEXT", help="by default what it is made of, and the time")
        add(
            "--type",
            dest="audit_type",
            type=str.upper,
            choices=entity.TYPES,
            default=AuditType.ONESHOT.value,
            help="%(default)s by default",
        )
        add("--interval", metavar="SECONDS|CRON", help="how often a CONTINUOUS one runs")
        add("--parameters", metavar="JSON", help="for the strategy: JSON, @FILE, or - for stdin")
        add("--scope", metavar="JSON", help="of the cluster: JSON, @FILE, or - for stdin")
        add("--start-time", metavar="TIME", help="ISO 8601, in UTC unless it tells its zone")
        add("--end-time", metavar="TIME", help="ISO 8601, in UTC unless it tells its zone")
        add("--hostname", metavar="HOST", help="the engine's that works on it")
        add("--auto-trigger", action="store_true", help="carry out its plan without being asked")
        add("--force", action="store_true", help="also while a plan is being carried out")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the new audit's fields and their values."""
        _check_schedule(parsed_args)
        given = {name: getattr(parsed_args, name) for name in TAKEN}
        for name, read in (("parameters", coercion.to_dict), ("scope", coercion.to_list)):
            text = getattr(parsed_args, name)
            given[name] = None if text is None else read(name, self._text(text))
        connection.use(self.app)
        context = RequestContext()
        audit = Audit(context, **_completed(context, parsed_args, given))
        audit.create()
        return entity.told(audit, parsed_args.formatter)

    def _text(self, given: str) -> str:
        """Return JSON text that is given as such, in a file or on stdin."""
        if given != "-" and not given.startswith("@"):
            return given
        try:
            return self.app.stdin.read() if given == "-" else Path(given[1:]).read_text("utf-8")
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise exception.Invalid(f"{exception.shown(given)} can't be read: {why}") from error


def _check_schedule(asked: argparse.Namespace) -> None:
    """Refuse times that do not go with the type of an audit, by the rules of Watcher's API."""
    kind = asked.audit_type
    if kind == AuditType.CONTINUOUS.value and asked.interval is None:
        raise exception.AuditIntervalNotSpecified(audit_type=kind)
    if kind == AuditType.ONESHOT.value:
        if asked.interval is not None:
            raise exception.AuditIntervalNotAllowed(audit_type=kind)
        if asked.start_time or asked.end_time:
            raise exception.AuditStartEndTimeNotAllowed(audit_type=kind)
    if asked.interval is not None and not _comes(asked.interval):
        raise exception.InvalidIntervalOrCron(name=asked.interval)


def _comes(interval: str) -> bool:
    """Tell whether this is a number of seconds, or a cron expression that comes true some day."""
    if interval.isascii() and interval.isdigit():
        return interval.strip("0") != ""
    try:
        return croniter.is_valid(interval) and bool(croniter(interval).get_next())
    except CroniterError:
        return False


def _completed(
    context: RequestContext, asked: argparse.Namespace, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a new audit, with what a template has in place of what is not given."""
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
            names = exception.shown(strategy.name), exception.shown(goal.name)
            raise exception.InvalidStrategy(
                "The strategy {} is not for the goal {}".format(*names)
            )
        source = strategy
    # As Watcher names those that nobody has named, in the 63 characters that there are.
    fields.setdefault("name", f"{source.name[:36]}-{timeutils.utcnow().isoformat()}")
    return {**fields, "goal": goal, "strategy": strategy}
