# SPDX-License-Identifier: Apache-2.0
"""The command ``demo``: the lives of some audits, in a database of their own.

The printed table consists of the events and errors of the library.
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
    "server_consolidation": "Use fewer servers",
    "workload_balancing": "Balance the load of servers",
    "thermal_optimization": "Cool hot servers",
    "saving_energy": "Switch off unused servers",
}
_STRATEGIES = {
    "basic": ("server_consolidation", "Empty the least busy servers"),
    "vm_workload_consolidation": ("server_consolidation", "Pack machines by measured load"),
    "workload_stabilization": ("workload_balancing", "Reduce the deviation of the load"),
    "workload_balance": ("workload_balancing", "Migrate a machine from each busy server"),
    "outlet_temperature": ("thermal_optimization", "Migrate load from hot outlets"),
    "saving_energy": ("saving_energy", "Switch servers off and on"),
}


def _number(default: float, description: str) -> Mapping[str, Any]:
    return {"type": "number", "minimum": 0, "default": default, "description": description}


_PARAMETERS = {
    "vm_workload_consolidation": {"period": _number(3600, "Seconds of measurements to use")},
    "workload_balance": {"threshold": _number(25.0, "Maximum CPU load in percent")},
    "outlet_temperature": {"threshold": _number(35.0, "Maximum temperature in degrees Celsius")},
    "saving_energy": {"free_used_percent": _number(10.0, "Percent of servers to keep free")},
}


class Journal:
    """A log of events and errors."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []
        self.stored: Counter[str] = Counter()
        #: The current step of each actor.
        self.steps: dict[str, str] = {}

    def add_event(self, event: events.Event) -> None:
        """Log an event."""
        self.stored[event.resource] += event.kind == "create"
        if event.resource == "audit":
            message = event.obj.status_message
            outcome = f"event audit.{event.kind}{f': {message}' if message else ''}"
            self._add(event.obj, event.context, event.old_state or "", outcome)

    def add_error(self, audit: Audit, context: RequestContext, error: Exception) -> None:
        """Log an error, and the state of the row after it."""
        row = Audit.get_by_uuid(RequestContext(show_deleted=True), audit.uuid)
        old = getattr(error, "initial", row.state)
        self._add(row, context, old, f"{type(error).__name__}: {error}")

    def _add(self, audit: Audit, context: RequestContext, old: str, outcome: str) -> None:
        actor = str(context.user_id)
        self.lines.append((audit.name, actor, self.steps[actor], old, audit.state, outcome))

    def table(self) -> str:
        """Return the log as a table."""
        table = PrettyTable(["step", "audit", "who", "what", "from", "to", "outcome"], align="l")
        table.max_width = {"outcome": 56}
        table.add_rows([[number, *line] for number, line in enumerate(self.lines, 1)])
        return str(table.get_string())


class Actor:
    """A service that writes audits, with its own context."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.name = name
        self.journal = journal
        self.context = RequestContext(user_id=name)

    def create(self, name: str, kind: AuditType, strategy: str, **fields: Any) -> Audit:
        """Create an audit for the strategy with this name."""
        self.journal.steps[self.name] = f"create, {kind.value}"
        chosen = Strategy.get_by_name(self.context, strategy)
        audit = Audit(self.context, name=name, audit_type=kind.value, **fields)
        audit.goal_id, audit.strategy_id = chosen.goal_id, chosen.id
        audit.create()
        return audit

    def read(self, audit: Audit) -> Audit:
        """Return another object for the same row."""
        return Audit.get_by_uuid(self.context, audit.uuid)

    def save(self, audit: Audit, step: str, state: str, **changes: Any) -> bool:
        """Save a new state and other changes, and return whether that succeeded."""
        for field, value in {"state": state, **changes}.items():
            setattr(audit, field, value)
        return self._try(audit, step, audit.save)

    def delete(self, audit: Audit, step: str) -> bool:
        """Soft-delete an audit, and return whether that succeeded."""
        return self._try(audit, step, audit.soft_delete)

    def _try(self, audit: Audit, step: str, write: Callable[[], None]) -> bool:
        self.journal.steps[self.name] = step
        try:
            write()
        except exception.WatcherException as error:
            self.journal.add_error(audit, self.context, error)
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
    """Two workers claim one audit at the same time; the winner finishes it."""
    scope = [{"compute": [{"host_aggregates": [{"name": "rack-7"}]}]}]
    audit = api.create("pack-rack-7", AuditType.ONESHOT, "vm_workload_consolidation", scope=scope)
    start = threading.Barrier(len(workers), timeout=60)

    def claim(worker: Actor) -> tuple[bool, Actor, Audit]:
        stale = worker.read(audit)
        start.wait()
        won = worker.save(stale, "claim, concurrently", State.ONGOING, hostname=worker.name)
        return won, worker, stale

    with ThreadPoolExecutor(len(workers)) as pool:
        ((_, winner, held),) = [claimed for claimed in pool.map(claim, workers) if claimed[0]]
    winner.save(held, "report", State.SUCCEEDED)


def _failure(api: Actor, engine: Actor) -> None:
    audit = engine.read(api.create("cool-row-b", AuditType.ONESHOT, "outlet_temperature"))
    engine.save(audit, "claim", State.ONGOING, hostname=engine.name)
    engine.save(audit, "report", State.FAILED, status_message="No outlet temperature was measured")


def _pause(api: Actor, engine: Actor) -> None:
    fields = {"parameters": {"threshold": 30.0, "period": 900}, "auto_trigger": True}
    ours = api.create(
        "balance-cpu", AuditType.CONTINUOUS, "workload_balance", interval="900", **fields
    )
    engine.save(engine.read(ours), "claim", State.ONGOING, hostname=engine.name)
    api.save(ours, "suspend", State.SUSPENDED)
    api.save(ours, "resume", State.ONGOING)


def _cancellation(api: Actor, engine: Actor) -> None:
    audit = api.create("dim-fridays", AuditType.CONTINUOUS, "saving_energy", interval="0 22 * * 5")
    late = engine.read(audit)
    api.save(audit, "cancel", State.CANCELLED, status_message="Not this Friday")
    engine.save(late, "claim, too late", State.ONGOING)


def _triggers(api: Actor, engine: Actor) -> None:
    audit = engine.read(api.create("host-down", AuditType.EVENT, "workload_stabilization"))
    engine.save(audit, "claim", State.ONGOING, hostname=engine.name)
    engine.save(audit, "report", State.SUCCEEDED)
    engine.save(audit, "trigger again", State.ONGOING)


def _deletion(api: Actor, engine: Actor) -> None:
    audit = engine.read(api.create("try-basic", AuditType.ONESHOT, "basic"))
    engine.save(audit, "claim", State.ONGOING)
    api.delete(api.read(audit), "delete, too early")
    engine.save(audit, "report", State.SUCCEEDED)
    engine.save(engine.read(audit), "trigger again", State.ONGOING)
    api.delete(api.read(audit), "delete")
    engine.save(audit, "report again", State.FAILED)


def play() -> Journal:
    """Create and run audits in the configured database, and return the log."""
    journal = Journal()
    stop = events.subscribe(journal.add_event)
    try:
        _store_goals(RequestContext())
        api, *engines = (Actor(name, journal) for name in ("api", "engine-1", "engine-2"))
        _race(api, engines)
        for scene in (_failure, _pause, _cancellation, _triggers, _deletion):
            scene(api, engines[0])
    finally:
        stop()
    return journal


class Demo(Command):
    """Create and run some audits in a new SQLite file, and print what happens.

    A file that an earlier demo created is replaced; any other file is left unchanged.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's argument."""
        parser = super().get_parser(prog_name)
        default = "watcher-objects-demo.sqlite"
        parser.add_argument("path", nargs="?", default=default, help="./%(default)s by default")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Run the demo, and print what happened and the audits that exist afterwards."""
        options = self.app.options
        if options.database or options.config_file:
            raise exception.Invalid("The demo uses a database of its own; pass only a PATH")
        path = Path(parsed_args.path).resolve()
        options.database = url = connection.url(path)
        say = self.app.stdout.write
        is_new = connection.make_file(path, MARK)
        say(f"The demo's database is {path}{'' if is_new else ', which replaces the last one'}\n")
        connection.use(self.app, ready=False)
        migration.upgrade()
        journal = play()
        created = ", ".join(f"{name}: {number}" for name, number in journal.stored.items())
        say(f"Objects created: {created}\n\nWhat happened to the audits:\n")
        say(f"{journal.table()}\n\nThe audits that are not deleted:\n")
        result = self.app.run_subcommand(["audit", "list"])
        say(f"\nTo list them again: watcher-objects --database {shlex.quote(url)} audit list\n")
        return result
