# SPDX-License-Identifier: Apache-2.0
"""The commands ``... list`` and ``... show`` of every class, generated from its fields."""

import argparse
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from cliff.command import Command
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
    Transition,
    exception,
)
from watcher_objects.cli import connection
from watcher_objects.cli.columns import Record, Table
from watcher_objects.db import work
from watcher_objects.states import AuditType
from watcher_objects.transitions import DELETED


class Kind(NamedTuple):
    """A class and the fields that its list shows."""

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
#: What a worker is called by whether it is alive.
STATUS = {True: "alive", False: "dead"}


def commands() -> Mapping[str, type[Command]]:
    """Return the commands that list and show: ``audit list``, ``audit show``, ``goal list``..."""
    made: dict[str, type[Command]] = {}
    for word, kind in KINDS.items():
        many = kind.entity.table.name.replace("_", " ")
        one = kind.entity.resource.replace("_", " ")
        about = {"List": f"List {many}, oldest first.", "Show": f"Show all fields of one {one}."}
        for base in (List, Show):
            name = base.__name__
            body = {"kind": kind, "__doc__": about[name], "__module__": __name__}
            made[f"{word} {name.lower()}"] = type(f"{kind.entity.__name__}{name}", (base,), body)
    return made


def find(entity: type[Any], context: RequestContext, text: str) -> Any:
    """Return the object with this id or uuid, or else with this name."""
    try:
        return entity.get(context, text, eager=True)
    except (exception.InvalidIdentity, exception.ResourceNotFound):
        if "name" not in entity.fields:
            raise
    return entity.get_by_name(context, text, eager=True)


def cell(obj: Any, name: str, form: str) -> Any:
    """Return the value of a field as the output format ``form`` shows it.

    Times are in UTC, with seconds in a table and exact elsewhere. JSON fields are JSON text unless
    the format has structures. A related object is represented by its name or uuid.
    """
    value = getattr(obj, name)
    if name in obj.object_fields and value is not None:
        value = getattr(value, "name", value.uuid)
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" if form == "table" else value.isoformat()
    if form in ("json", "yaml"):
        return value
    # Terminal control sequences are escaped.
    text = json.dumps(value) if isinstance(value, dict | list) else value
    return exception.escape_control(text) if isinstance(text, str) else text


def field_values(obj: Any, form: str) -> tuple[Sequence[str], Sequence[Any]]:
    """Return all fields of an object and their values, in the form that ShowOne expects."""
    names = tuple(obj.fields)
    return names, [cell(obj, name, form) for name in names]


#: The columns of ``--long``: who has claimed an object, and how often that has been done.
CLAIM = ("worker", "worker_status", "attempts")


class List(Table):
    """List the objects of one class."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        add = parser.add_argument
        add("--limit", type=int, metavar="N", help="maximum number of results")
        add("--marker", metavar="ID", help="begin after the object with this uuid or id")
        add("--sort-key", metavar="FIELD", help="id by default")
        add("--sort-dir", choices=("asc", "desc"), help="asc by default")
        if has_states(self.kind.entity):
            add("--long", action="store_true", help=f"add {', '.join(CLAIM)}")
            help_ = "only those that are ready to be taken over, of which the first 10,000"
            add("--stuck", action="store_true", help=help_)
        add_filters(parser, self.kind.entity)
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return (*self.kind.columns, *self.more_columns(parsed_args))

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the columns and a row for each object."""
        connection.use(self.app)
        names, form = self.kind.columns, parsed_args.formatter
        found = self.kind.entity.list(
            RequestContext(show_deleted=shows_deleted(parsed_args)),
            limit=parsed_args.limit,
            marker=parsed_args.marker,
            filters=self.filters(parsed_args),
            sort_key=parsed_args.sort_key,
            sort_dir=parsed_args.sort_dir,
            eager=True,
        )
        more = self.more(found, parsed_args)
        rows = ([cell(obj, name, form) for name in names] for obj in found)
        return self.columns(parsed_args), [
            [*row, *cells] for row, cells in zip(rows, more, strict=True)
        ]

    def filters(self, parsed_args: argparse.Namespace) -> Mapping[str, Any]:
        """Return the filters that the options define."""
        found = filters(self.kind.entity, parsed_args)
        if not getattr(parsed_args, "stuck", False):
            return found
        if "id__in" in found:
            raise exception.Invalid("The same filter is given twice")
        return {**found, "id__in": work.stuck(self.kind.entity.table)}

    def more_columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns that are not fields."""
        return CLAIM if getattr(parsed_args, "long", False) else ()

    def more(self, found: Sequence[Any], parsed_args: argparse.Namespace) -> Sequence[Any]:
        """Return the cells of these columns for each object."""
        if not self.more_columns(parsed_args):
            return [()] * len(found)
        return _claims(self.kind.entity, found)


def _claims(entity: type[Any], found: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """Return the cells of ``CLAIM`` for each object."""
    holders = work.holders(entity.table, [obj.id for obj in found])
    return [_claim(holders.get(obj.id, work.Holder())) for obj in found]


def _claim(holder: work.Holder) -> Sequence[Any]:
    status = None if holder.is_alive is None else STATUS[holder.is_alive]
    is_left = status is not None and holder.worker is None
    return holder.worker, "nobody" if is_left else status, holder.attempts


def has_states(entity: type[Any]) -> bool:
    """Return whether the objects of a class have states."""
    return entity.table.info["state_machine"] is not None


def add_filters(parser: argparse.ArgumentParser, entity: type[Any]) -> None:
    """Add the options that select objects."""
    add = parser.add_argument
    if "deleted" in entity.table.columns:
        add("--deleted", action="store_true", help="include soft-deleted objects")
    add(
        "--filter",
        action="append",
        default=[],
        metavar="FIELD[__OPERATOR][=VALUE]",
        help="only objects with this value, or with no value if there is no =; the operators are"
        " eq, neq, gt, gte, lt, lte, and in and notin with values separated by commas; fields of"
        " related objects, such as goal_name, are allowed; repeated filters must all match",
    )
    for field, details in _shortcuts(entity):
        add(_option(field), dest=field, **details)


def shows_deleted(parsed_args: argparse.Namespace) -> bool:
    """Return whether the options include soft-deleted objects."""
    is_asked: bool = getattr(parsed_args, "deleted", False)
    return is_asked or getattr(parsed_args, "state", None) == DELETED


def _shortcuts(entity: type[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the fields that have an option of their own, and its arguments for argparse."""
    for field in entity.fields:
        if field in entity.object_fields:
            by = "NAME|UUID" if "name" in entity.object_fields[field][0].fields else "UUID"
            yield field, {"metavar": by, "help": f"only with this {field.replace('_', ' ')}"}
        elif field == "state":
            states = sorted(entity.table.info["state_machine"].TRANSITIONS)
            yield field, {"type": str.upper, "choices": states, "help": "only in this state"}
        elif field == "audit_type":
            yield field, {"type": str.upper, "choices": TYPES, "help": "only of this type"}
        elif field in ("name", "action_type", "host", "hostname"):
            yield field, {"metavar": "TEXT", "help": f"only with this {_option(field)[2:]}"}


def _option(field: str) -> str:
    return "--type" if field.endswith("_type") else f"--{field.replace('_', '-')}"


def filters(entity: type[Any], parsed_args: argparse.Namespace) -> Mapping[str, Any]:
    """Return the filters that the options define."""
    pairs = [_filter(text) for text in parsed_args.filter]
    for field, _ in _shortcuts(entity):
        value = getattr(parsed_args, field)
        if value is not None:
            is_related = field in entity.object_fields
            pairs.append(_related(entity, field, value) if is_related else (field, value))
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise exception.Invalid("The same filter is given twice")
    return unique


def _filter(text: str) -> tuple[str, Any]:
    name, is_given, value = text.partition("=")
    if not is_given:
        return name, None
    return name, value.split(",") if name.endswith(("__in", "__notin")) else value


def _related(entity: type[Any], field: str, text: str) -> tuple[str, Any]:
    """Return the filter for a related object, which may be soft-deleted but must exist."""
    related = entity.object_fields[field][0]
    found = find(related, RequestContext(show_deleted=True), text)
    by = "uuid" if uuidutils.is_uuid_like(text) or "name" not in related.fields else "name"
    return f"{field}_{by}", getattr(found, by)


class Show(Record):
    """Show all fields of one object."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's options."""
        parser = super().get_parser(prog_name)
        known = ["id", *(name for name in ("uuid", "name") if name in self.kind.entity.fields)]
        parser.add_argument("identity", metavar="ID", help=f"its {' or '.join(known)}")
        if "deleted" in self.kind.entity.table.columns:
            help_ = "even if it is soft-deleted"
            parser.add_argument("--deleted", action="store_true", help=help_)
        return parser

    def columns(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Return the columns."""
        return (*self.kind.entity.fields, *self.more_columns())

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        """Return the object's fields and their values, and more about it."""
        connection.use(self.app)
        context = RequestContext(show_deleted=shows_deleted(parsed_args))
        found = find(self.kind.entity, context, parsed_args.identity)
        _, values = field_values(found, parsed_args.formatter)
        return self.columns(parsed_args), [*values, *self.more(found, parsed_args.formatter)]

    def more_columns(self) -> Sequence[str]:
        """Return the columns that are not fields."""
        return (*CLAIM, "last_transition") if has_states(self.kind.entity) else ()

    def more(self, found: Any, form: str) -> Sequence[Any]:
        """Return the values of these columns."""
        if not self.more_columns():
            return ()
        (claim,) = _claims(self.kind.entity, [found])
        return [*claim, _last_transition(found._context, found, form)]


def _last_transition(context: RequestContext, obj: Any, form: str) -> Any:
    """Return the last transition of an object: a mapping, or in a table one line."""
    step: Any = Transition.latest(context, obj)
    if step is None:
        return None
    shown = {name: cell(step, name, form) for name in step.fields}
    if form in ("json", "yaml"):
        return shown
    by = "".join(f", {n}: {shown[n]}" for n in ("user_id", "host", "reason") if shown[n])
    return f"{shown['from_state']} -> {shown['to_state']} ({shown['kind']}) at {shown['at']}{by}"
