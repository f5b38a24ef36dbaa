# SPDX-License-Identifier: Apache-2.0
"""The commands ``... list`` and ``... show`` of every kind of object, made from its fields."""

import argparse
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne
from oslo_context.context import RequestContext
from oslo_utils import uuidutils

from watcher_objects import (
    Action,
    ActionDescription,
    ActionPlan,
    Audit,
    AuditTemplate,
    EfficacyIndicator,
    Goal,
    ScoringEngine,
    Service,
    Strategy,
    exception,
)
from watcher_objects.cli import connection
from watcher_objects.states import AuditType
from watcher_objects.transitions import DELETED


class Kind(NamedTuple):
    """A class of objects, and the fields of them that a list shows."""

    entity: type[Any]
    columns: Sequence[str]


KINDS = {
    "action": Kind(Action, ("uuid", "action_plan", "action_type", "state", "parents")),
    "actiondescription": Kind(ActionDescription, ("id", "action_type", "description")),
    "actionplan": Kind(ActionPlan, ("uuid", "audit", "strategy", "state", "updated_at")),
    "audit": Kind(
        Audit, ("uuid", "name", "audit_type", "state", "goal", "strategy", "updated_at")
    ),
    "audittemplate": Kind(AuditTemplate, ("uuid", "name", "goal", "strategy", "description")),
    "efficacyindicator": Kind(EfficacyIndicator, ("uuid", "name", "value", "unit")),
    "goal": Kind(Goal, ("uuid", "name", "display_name")),
    "scoringengine": Kind(ScoringEngine, ("uuid", "name", "description")),
    "service": Kind(Service, ("id", "name", "host", "last_seen_up")),
    "strategy": Kind(Strategy, ("uuid", "name", "display_name", "goal")),
}
TYPES = [kind.value for kind in AuditType]


def commands() -> Mapping[str, type[Command]]:
    """Return the commands that list and show: ``audit list``, ``audit show``, ``goal list``..."""
    made: dict[str, type[Command]] = {}
    for word, kind in KINDS.items():
        many = kind.entity.table.name.replace("_", " ")
        one = kind.entity.resource.replace("_", " ")
        about = {"List": f"List {many}, oldest first.", "Show": f"Show all fields of one {one}."}
        for base in (List, Show):
            name = base.__name__
            told = {"kind": kind, "__doc__": about[name], "__module__": __name__}
            made[f"{word} {name.lower()}"] = type(f"{kind.entity.__name__}{name}", (base,), told)
    return made


def find(entity: type[Any], context: RequestContext, text: str) -> Any:
    """Return the object with this id or uuid; else, as a name may look like those, so named."""
    try:
        return entity.get(context, text, eager=True)
    except (exception.InvalidIdentity, exception.ResourceNotFound):
        if "name" not in entity.fields:
            raise
    return entity.get_by_name(context, text, eager=True)


def cell(obj: Any, name: str, form: str) -> Any:
    """Return a field of an object as the output format ``form`` shows it.

    Times are in UTC, to the second in a table and exact elsewhere; documents are JSON text
    where the format has no structure of its own; of a related object the name is shown.
    """
    value = getattr(obj, name)
    if name in obj.object_fields and value is not None:
        value = getattr(value, "name", value.uuid)
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" if form == "table" else value.isoformat()
    if form in ("json", "yaml"):
        return value
    # What a terminal would obey is shown, not sent.
    text = json.dumps(value) if isinstance(value, dict | list) else value
    return exception.printable(text) if isinstance(text, str) else text


def told(obj: Any, form: str) -> tuple[Sequence[str], Sequence[Any]]:
    """Return all fields of an object and their values, as ShowOne takes them."""
    names = tuple(obj.fields)
    return names, [cell(obj, name, form) for name in names]


class List(Lister):
    """List objects of one kind."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        add("--limit", type=int, metavar="N", help="at most so many")
        add("--marker", metavar="ID", help="begin after the one with this uuid or id")
        add("--sort-key", metavar="FIELD", help="id by default")
        add("--sort-dir", choices=("asc", "desc"), help="asc by default")
        add_filters(parser, self.kind.entity)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the columns and a row for each object."""
        connection.use(self.app)
        entity, columns = self.kind
        found = entity.list(
            RequestContext(show_deleted=shows_deleted(parsed_args)),
            limit=parsed_args.limit,
            marker=parsed_args.marker,
            filters=filters(entity, parsed_args),
            sort_key=parsed_args.sort_key,
            sort_dir=parsed_args.sort_dir,
            eager=True,
        )
        form = parsed_args.formatter
        return columns, [[cell(obj, name, form) for name in columns] for obj in found]


def add_filters(parser: argparse.ArgumentParser, entity: type[Any]) -> None:
    """Add the options that say which objects are meant."""
    add = parser.add_argument
    add("--deleted", action="store_true", help="deleted ones, too")
    add(
        "--filter",
        action="append",
        default=[],
        metavar="FIELD[__OPERATOR][=VALUE]",
        help="only those with this value, or with none where there is no =; an operator is eq,"
        " neq, gt, gte, lt, lte, or in or notin with values between commas; goal_name and"
        " the like are fields, too; all filters that are given must hold",
    )
    for field, details in _shortcuts(entity):
        add(_option(field), dest=field, **details)


def shows_deleted(parsed_args: argparse.Namespace) -> bool:
    """Tell whether deleted objects are meant, too."""
    return parsed_args.deleted or getattr(parsed_args, "state", None) == DELETED


def _shortcuts(entity: type[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the fields that have an option of their own, and what argparse is told of it."""
    for field in entity.fields:
        if field in entity.object_fields:
            by = "NAME|UUID" if "name" in entity.object_fields[field][0].fields else "UUID"
            yield field, {"metavar": by, "help": f"only those of this {field.replace('_', ' ')}"}
        elif field == "state":
            states = sorted(entity.table.info["moves"].TRANSITIONS)
            yield field, {"type": str.upper, "choices": states, "help": "only those in this state"}
        elif field == "audit_type":
            yield field, {"type": str.upper, "choices": TYPES, "help": "only those of this type"}
        elif field in ("name", "action_type", "host", "hostname"):
            yield field, {"metavar": "TEXT", "help": f"only those with this {_option(field)[2:]}"}


def _option(field: str) -> str:
    return "--type" if field.endswith("_type") else f"--{field.replace('_', '-')}"


def filters(entity: type[Any], parsed_args: argparse.Namespace) -> Mapping[str, Any]:
    """Return the filters that were asked for."""
    asked = [_filter(text) for text in parsed_args.filter]
    for field, _ in _shortcuts(entity):
        value = getattr(parsed_args, field)
        if value is not None:
            is_related = field in entity.object_fields
            asked.append(_related(entity, field, value) if is_related else (field, value))
    wanted = dict(asked)
    if len(wanted) < len(asked):
        raise exception.Invalid("A filter is given twice; both would have to hold")
    return wanted


def _filter(text: str) -> tuple[str, Any]:
    name, is_given, value = text.partition("=")
    if not is_given:
        return name, None
    return name, value.split(",") if name.endswith(("__in", "__notin")) else value


def _related(entity: type[Any], field: str, text: str) -> tuple[str, Any]:
    """Return the filter for a related object.

    One that was deleted may have left others; one that never was is a mistake.
    """
    related = entity.object_fields[field][0]
    found = find(related, RequestContext(show_deleted=True), text)
    by = "uuid" if uuidutils.is_uuid_like(text) or "name" not in related.fields else "name"
    return f"{field}_{by}", getattr(found, by)


class Show(ShowOne):
    """Show all fields of one object."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        known = ["id", *(name for name in ("uuid", "name") if name in self.kind.entity.fields)]
        parser.add_argument("which", metavar="WHICH", help=f"its {' or '.join(known)}")
        parser.add_argument("--deleted", action="store_true", help="also if it is deleted")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the object's fields and their values."""
        connection.use(self.app)
        context = RequestContext(show_deleted=parsed_args.deleted)
        found = find(self.kind.entity, context, parsed_args.which)
        return told(found, parsed_args.formatter)
