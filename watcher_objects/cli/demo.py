# SPDX-License-Identifier: Apache-2.0
"""The command ``demo``: the lives of some audits, in a database of their own.

The printed table consists of the events and errors of the library.
"""

import argparse
import itertools
import shlex
import threading
from collections import Counter
from collections.abc import Mapping
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


#: The audits: of which type, by which strategy, and with which other fields.
_AUDITS: Mapping[str, tuple[AuditType, str, Mapping[str, Any]]] = {
    "pack-rack-7": (AuditType.ONESHOT, "vm_workload_consolidation", {}),
    "cool-row-b": (AuditType.ONESHOT, "outlet_temperature", {}),
    "balance-cpu": (AuditType.CONTINUOUS, "workload_balance", {"interval": "900"}),
    "dim-fridays": (AuditType.CONTINUOUS, "saving_energy", {"interval": "0 22 * * 5"}),
    "host-down": (AuditType.EVENT, "workload_stabilization", {}),
    "try-basic": (AuditType.ONESHOT, "basic", {}),
}
#: Who writes which state to which audit, in turn; None is a soft deletion.
_STEPS = (
    ("cool-row-b", "engine-1", "claim", State.ONGOING),
    ("cool-row-b", "engine-1", "report", State.FAILED),
    ("balance-cpu", "engine-1", "claim", State.ONGOING),
    ("balance-cpu", "api", "suspend", State.SUSPENDED),
    ("balance-cpu", "api", "resume", State.ONGOING),
    ("dim-fridays", "api", "cancel", State.CANCELLED),
    ("dim-fridays", "engine-1", "claim, too late", State.ONGOING),
    ("host-down", "engine-1", "claim", State.ONGOING),
    ("host-down", "engine-1", "report", State.SUCCEEDED),
    ("host-down", "engine-1", "trigger again", State.ONGOING),
    ("try-basic", "engine-1", "claim", State.ONGOING),
    ("try-basic", "api", "delete, too early", None),
    ("try-basic", "engine-1", "report", State.SUCCEEDED),
    ("try-basic", "engine-1", "trigger again", State.ONGOING),
    ("try-basic", "api", "delete", None),
    ("try-basic", "engine-1", "report again", State.FAILED),
)
#: What is written with a state.
_WITH: Mapping[str, Mapping[str, str]] = {
    State.ONGOING: {"hostname": "compute-7"},
    State.FAILED: {"status_message": "No measurements were found"},
    State.CANCELLED: {"status_message": "Not this Friday"},
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

    def add_error(self, audit: Audit, error: Exception) -> None:
        """Log an error, and the state of the row after it."""
        row = Audit.get_by_uuid(RequestContext(show_deleted=True), audit.uuid)
        old = getattr(error, "initial", row.state)
        self._add(row, audit._context, old, f"{type(error).__name__}: {error}")

    def _add(self, audit: Audit, context: RequestContext, old: str, outcome: str) -> None:
        actor = str(context.user_id)
        self.lines.append((audit.name, actor, self.steps[actor], old, audit.state, outcome))

    def table(self) -> str:
        """Return the log as a table."""
        table = PrettyTable(["step", "audit", "who", "what", "from", "to", "outcome"], align="l")
        table.max_width = {"outcome": 56}
        table.add_rows([[number, *line] for number, line in enumerate(self.lines, 1)])
        return str(table.get_string())


def _store_goals(context: RequestContext) -> None:
    for name, shown in _GOALS.items():
        Goal(context, name=name, display_name=shown, efficacy_specification=[]).create()
    for name, (goal, shown) in _STRATEGIES.items():
        strategy = Strategy(context, name=name, display_name=shown)
        strategy.goal_id = Goal.get_by_name(context, goal).id
        strategy.create()


class Play:
    """The services that write the audits, each with a context of its own."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        names = ("api", "engine-1", "engine-2")
        self.contexts = {name: RequestContext(user_id=name) for name in names}

    def run(self) -> None:
        """Create the goals, and run all audits."""
        _store_goals(self.contexts["api"])
        self.race("pack-rack-7")
        for name, steps in itertools.groupby(_STEPS, key=lambda step: step[0]):
            handles = self.create(name)
            for _, who, what, state in steps:
                self.write(handles[who], what, state)

    def race(self, name: str) -> None:
        """Claim one audit by two engines at the same time; the winner finishes it."""
        handles = self.create(name)
        del handles["api"]
        start = threading.Barrier(len(handles), timeout=60)

        def claim(audit: Audit) -> bool:
            start.wait()
            return self.write(audit, "claim, concurrently", State.ONGOING)

        with ThreadPoolExecutor(len(handles)) as pool:
            won = [*pool.map(claim, handles.values())]
        (winner,) = itertools.compress(handles.values(), won)
        self.write(winner, "report", State.SUCCEEDED)

    def create(self, name: str) -> dict[str, Audit]:
        """Create an audit, and return an object of it for each service."""
        context = self.contexts["api"]
        kind, strategy, fields = _AUDITS[name]
        self.journal.steps["api"] = f"create, {kind.value}"
        chosen = Strategy.get_by_name(context, strategy)
        audit = Audit(context, name=name, audit_type=kind.value, **fields)
        audit.goal_id, audit.strategy_id = chosen.goal_id, chosen.id
        audit.create()
        return {who: Audit.get(context, audit.id) for who, context in self.contexts.items()}

    def write(self, audit: Audit, what: str, state: str | None) -> bool:
        """Write a state, or delete the audit, and return whether that succeeded."""
        self.journal.steps[audit._context.user_id] = what
        try:
            if state is None:
                audit.soft_delete()
            else:
                audit.update({"state": state, **_WITH.get(state, {})})
                audit.save()
        except exception.WatcherException as error:
            self.journal.add_error(audit, error)
            return False
        return True


def play() -> Journal:
    """Create and run audits in the configured database, and return the log."""
    journal = Journal()
    stop = events.subscribe(journal.add_event)
    try:
        Play(journal).run()
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
