# SPDX-License-Identifier: Apache-2.0
"""The command ``demo``: the lives of some audits, in a database of their own.

Two engines share the first audit. The printed table consists of the transitions in the journal,
and of errors.
"""

import argparse
import itertools
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cliff.command import Command
from oslo_context.context import RequestContext
from prettytable import PrettyTable

from watcher_objects import Audit, Goal, Strategy, Transition, exception, journal
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


class Log:
    """What happened to the audits: their transitions, and what was rejected."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []
        self._last = 0

    def add_transitions(self) -> None:
        """Log what the journal has recorded since the last call."""
        context = RequestContext(show_deleted=True)
        filters = {"id__gt": self._last, "resource": "audit"}
        for step in Transition.list(context, filters=filters, sort_key="id"):
            self._last = step.id
            audit = Audit.get_by_uuid(context, str(step.object_uuid))
            change = step.from_state or "", str(step.to_state), f"recorded as {step.kind}"
            self.add(audit.name, str(step.user_id), step.reason or step.kind, *change)

    def add_error(self, audit: Audit, what: str, error: Exception) -> None:
        """Log an error, and the state of the row after it."""
        row = Audit.get_by_uuid(RequestContext(show_deleted=True), audit.uuid)
        old = getattr(error, "initial", row.state)
        outcome = f"{type(error).__name__}: {error}"
        self.add(row.name, audit._context.user_id, what, old, row.state, outcome)

    def add(self, *cells: str) -> None:
        """Log a line."""
        self.lines.append(cells)

    def table(self) -> str:
        """Return the log as a table."""
        table = PrettyTable(["step", "audit", "who", "what", "from", "to", "outcome"], align="l")
        table.max_width = {"outcome": 56}
        table.add_rows([[number, *line] for number, line in enumerate(self.lines, 1)])
        return str(table.get_string())


def _start_engine(url: str, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "watcher_objects.cli.demo_engine", url, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - our own module


def _wait_for(audit: Audit, kind: str) -> Transition:
    """Return a transition of an audit once it is in the journal."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for step in Transition.of(audit._context, audit):
            if step.kind == kind:
                return step
        time.sleep(0.02)
    raise exception.Invalid(f"No engine has made a {kind} of {audit.name} within a minute")


def _store_goals(context: RequestContext) -> None:
    for name, shown in _GOALS.items():
        Goal(context, name=name, display_name=shown, efficacy_specification=[]).create()
    for name, (goal, shown) in _STRATEGIES.items():
        strategy = Strategy(context, name=name, display_name=shown)
        strategy.goal_id = Goal.get_by_name(context, goal).id
        strategy.create()


class Play:
    """The services that write the audits, each with a context of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.log = url, Log()
        self.contexts = {name: RequestContext(user_id=name) for name in ("api", "engine-1")}

    def run(self) -> None:
        """Create the goals, and run all audits."""
        _store_goals(self.contexts["api"])
        self.take_over("pack-rack-7")
        for name, steps in itertools.groupby(_STEPS, key=lambda step: step[0]):
            handles = self.create(name)
            for _, who, what, state in steps:
                self.write(handles[who], what, state)

    def take_over(self, name: str) -> None:
        """Run an audit by two engines, and kill the one that has claimed it."""
        audit = self.create(name)["api"]
        with ExitStack() as stack:
            names = ("engine-1", "engine-2")
            engines = {who: stack.enter_context(_start_engine(self.url, who)) for who in names}
            victim = str(_wait_for(audit, "claim").user_id)
            engines[victim].kill()
            self.log.add_transitions()
            self.log.add(name, "demo", f"kill the process of {victim}", "", "", "SIGKILL")
            _wait_for(audit, "finish")
        self.log.add_transitions()

    def create(self, name: str) -> dict[str, Audit]:
        """Create an audit, and return an object of it for each service."""
        context = self.contexts["api"]
        kind, strategy, fields = _AUDITS[name]
        chosen = Strategy.get_by_name(context, strategy)
        audit = Audit(context, name=name, audit_type=kind.value, **fields)
        audit.goal_id, audit.strategy_id = chosen.goal_id, chosen.id
        with journal.because(f"create, {kind.value}"):
            audit.create()
        self.log.add_transitions()
        return {who: Audit.get(context, audit.id) for who, context in self.contexts.items()}

    def write(self, audit: Audit, what: str, state: str | None) -> None:
        """Write a state, or delete the audit."""
        try:
            with journal.because(what):
                if state is None:
                    audit.soft_delete()
                else:
                    audit.update({"state": state, **_WITH.get(state, {})})
                    audit.save()
        except exception.WatcherException as error:
            self.log.add_error(audit, what, error)
        self.log.add_transitions()


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
        play = Play(url)
        play.run()
        say("What happened to the audits, which two engines on one host share at first:\n")
        say(f"{play.log.table()}\n\nThe audits that are not deleted:\n")
        result = self.app.run_subcommand(["audit", "list"])
        say(f"\nTo list them again: watcher-objects --database {shlex.quote(url)} audit list\n")
        return result
