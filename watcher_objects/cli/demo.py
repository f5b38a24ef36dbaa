# SPDX-License-Identifier: Apache-2.0
"""The command ``demo``: audits live their lives, in a database of their own.

What it prints as having happened is what the library told: its events and its errors.
"""

import argparse
import shlex
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cliff.command import Command
from oslo_context.context import RequestContext
from prettytable import PrettyTable

from watcher_objects import Audit, Goal, Strategy, events, exception
from watcher_objects.audit import AuditType, State
from watcher_objects.cli import connection
from watcher_objects.db import migration

#: The SQLite application id by which the demo knows its own files.
MARK = int.from_bytes(b"WaOd")
_GOALS = {
    "server_consolidation": "Fewer servers for the same load",
    "workload_balancing": "The same load for every server",
    "thermal_optimization": "No server too hot",
    "saving_energy": "No server on for nothing",
}
_STRATEGIES = {
    "basic": ("server_consolidation", "Empty the least busy servers"),
    "vm_workload_consolidation": ("server_consolidation", "Pack machines by what they use"),
    "workload_stabilization": ("workload_balancing", "Bring the spread of the load down"),
    "workload_balance": ("workload_balancing", "Move a machine off each busy server"),
    "outlet_temperature": ("thermal_optimization", "Move load away from hot outlets"),
    "saving_energy": ("saving_energy", "Switch servers off, and on again"),
}


def _number(default: float, description: str) -> Mapping[str, Any]:
    return {"type": "number", "minimum": 0, "default": default, "description": description}


_PARAMETERS = {
    "vm_workload_consolidation": {"period": _number(3600, "Seconds of measurements to look at")},
    "workload_balance": {"threshold": _number(25.0, "Percent of CPU that is too much")},
    "outlet_temperature": {"threshold": _number(35.0, "Degrees Celsius that are too much")},
    "saving_energy": {"free_used_percent": _number(10.0, "Percent of servers to keep free")},
}


class Journal:
    """What happened, as the library told it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []
        self.stored: Counter[str] = Counter()
        #: Who is at what; an event or an error tells the rest.
        self.doing: dict[str, str] = {}

    def hear(self, event: events.Event) -> None:
        """Note an event."""
        self.stored[event.resource] += event.kind == "create"
        if event.resource == "audit":
            message = event.obj.status_message
            outcome = f"event audit.{event.kind}{f': {message}' if message else ''}"
            self._note(event.obj, event.context, event.old_state or "", outcome)

    def refused(self, audit: Audit, context: RequestContext, error: Exception) -> None:
        """Note an error, and in which state the row is after it."""
        row = Audit.get_by_uuid(RequestContext(show_deleted=True), audit.uuid)
        was = getattr(error, "initial", row.state)
        self._note(row, context, was, f"{type(error).__name__}: {error}")

    def _note(self, audit: Audit, context: RequestContext, was: str, outcome: str) -> None:
        who = str(context.user_id)
        self.lines.append((audit.name, who, self.doing[who], was, audit.state, outcome))

    def table(self) -> str:
        """Return the story as a table."""
        table = PrettyTable(["step", "audit", "who", "what", "was", "is", "outcome"], align="l")
        table.max_width = {"outcome": 56}
        table.add_rows([[number, *line] for number, line in enumerate(self.lines, 1)])
        return str(table.get_string())


class Actor:
    """Somebody who writes audits, with a context of their own."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.name = name
        self.journal = journal
        self.context = RequestContext(user_id=name)

    def ask(self, name: str, kind: AuditType, strategy: str, **more: Any) -> Audit:
        """Create an audit by the strategy of this name."""
        self.journal.doing[self.name] = f"ask, {kind.value}"
        chosen = Strategy.get_by_name(self.context, strategy)
        audit = Audit(self.context, name=name, audit_type=kind.value, **more)
        audit.goal_id, audit.strategy_id = chosen.goal_id, chosen.id
        audit.create()
        return audit

    def sees(self, audit: Audit) -> Audit:
        """Return an object of this actor's for the same row."""
        return Audit.get_by_uuid(self.context, audit.uuid)

    def moves(self, audit: Audit, what: str, state: str, **changes: Any) -> bool:
        """Write a new state and other changes, and tell whether that was allowed."""
        for field, value in {"state": state, **changes}.items():
            setattr(audit, field, value)
        return self._tries(audit, what, audit.save)

    def deletes(self, audit: Audit, what: str) -> bool:
        """Soft-delete an audit, and tell whether that was allowed."""
        return self._tries(audit, what, audit.soft_delete)

    def _tries(self, audit: Audit, what: str, write: Callable[[], None]) -> bool:
        self.journal.doing[self.name] = what
        try:
            write()
        except exception.WatcherException as error:
            self.journal.refused(audit, self.context, error)
            return False
        return True


def _store_goals(context: RequestContext) -> None:
    for name, shown in _GOALS.items():
        Goal(context, name=name, display_name=shown, efficacy_specification=[]).create()
    for name, (goal, shown) in _STRATEGIES.items():
        strategy = Strategy(context, name=name, display_name=shown)
        strategy.goal_id = Goal.get_by_name(context, goal).id
        strategy.parameters_spec = {"properties": _PARAMETERS.get(name, {})}
        strategy.create()


def _race(api: Actor, workers: Sequence[Actor]) -> None:
    """Let two workers claim one audit at once; who won reports its end."""
    scope = [{"compute": [{"host_aggregates": [{"name": "rack-7"}]}]}]
    audit = api.ask("pack-rack-7", AuditType.ONESHOT, "vm_workload_consolidation", scope=scope)
    start = threading.Barrier(len(workers), timeout=60)

    def claim(worker: Actor) -> tuple[bool, Actor, Audit]:
        stale = worker.sees(audit)
        start.wait()
        won = worker.moves(stale, "claim, at once", State.ONGOING, hostname=worker.name)
        return won, worker, stale

    with ThreadPoolExecutor(len(workers)) as pool:
        ((_, winner, held),) = [claimed for claimed in pool.map(claim, workers) if claimed[0]]
    winner.moves(held, "report", State.SUCCEEDED)


def _failure(api: Actor, engine: Actor) -> None:
    audit = engine.sees(api.ask("cool-row-b", AuditType.ONESHOT, "outlet_temperature"))
    engine.moves(audit, "claim", State.ONGOING, hostname=engine.name)
    engine.moves(audit, "report", State.FAILED, status_message="No outlet has a thermometer")


def _pause(api: Actor, engine: Actor) -> None:
    given = {"parameters": {"threshold": 30.0, "period": 900}, "auto_trigger": True}
    ours = api.ask("level-cpu", AuditType.CONTINUOUS, "workload_balance", interval="900", **given)
    engine.moves(engine.sees(ours), "claim", State.ONGOING, hostname=engine.name)
    api.moves(ours, "suspend", State.SUSPENDED)
    api.moves(ours, "resume", State.ONGOING)


def _cancellation(api: Actor, engine: Actor) -> None:
    audit = api.ask("dim-fridays", AuditType.CONTINUOUS, "saving_energy", interval="0 22 * * 5")
    late = engine.sees(audit)
    api.moves(audit, "cancel", State.CANCELLED, status_message="Not this Friday")
    engine.moves(late, "claim, too late", State.ONGOING)


def _triggers(api: Actor, engine: Actor) -> None:
    audit = engine.sees(api.ask("host-down", AuditType.EVENT, "workload_stabilization"))
    engine.moves(audit, "claim", State.ONGOING, hostname=engine.name)
    engine.moves(audit, "report", State.SUCCEEDED)
    engine.moves(audit, "trigger again", State.ONGOING)


def _deletion(api: Actor, engine: Actor) -> None:
    audit = engine.sees(api.ask("try-basic", AuditType.ONESHOT, "basic"))
    engine.moves(audit, "claim", State.ONGOING)
    api.deletes(api.sees(audit), "delete, too early")
    engine.moves(audit, "report", State.SUCCEEDED)
    engine.moves(engine.sees(audit), "trigger again", State.ONGOING)
    api.deletes(api.sees(audit), "delete")
    engine.moves(audit, "report on", State.FAILED)


def play() -> Journal:
    """Let audits live in the configured database, and return what happened."""
    journal = Journal()
    stop = events.subscribe(journal.hear)
    try:
        _store_goals(RequestContext())
        api, *engines = (Actor(name, journal) for name in ("api", "engine-1", "engine-2"))
        _race(api, engines)
        for live in (_failure, _pause, _cancellation, _triggers, _deletion):
            live(api, engines[0])
    finally:
        stop()
    return journal


class Demo(Command):
    """Show audits live their lives, in a new SQLite file.

    A file that the demo made before is replaced; any other is left alone.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's argument."""
        parser = super().get_parser(prog_name)
        default = "watcher-objects-demo.sqlite"
        parser.add_argument("path", nargs="?", default=default, help="./%(default)s by default")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Play, and print what happened and what is there now."""
        options = self.app.options
        if options.database or options.config_file:
            raise exception.Invalid("The demo has a database of its own: give a PATH only")
        path = Path(parsed_args.path).resolve()
        options.database = url = connection.url(path)
        say = self.app.stdout.write
        is_new = connection.make_file(path, MARK)
        say(f"The demo's database is {path}{'' if is_new else ', in place of the last one'}\n")
        connection.use(self.app, ready=False)
        migration.upgrade()
        journal = play()
        stored = ", ".join(f"{number} of {name}" for name, number in journal.stored.items())
        say(f"Stored in it, by kind: {stored}\n\nWhat happened to the audits:\n")
        say(f"{journal.table()}\n\nThose that are there now, without the deleted:\n")
        result = self.app.run_subcommand(["audit", "list"])
        say(f"\nTo look further: watcher-objects --database {shlex.quote(url)} audit list\n")
        return result
