# SPDX-License-Identifier: Apache-2.0
"""The rows that everybody gets: a function of their number, and nothing else."""

import datetime
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

COMMON = ("created_at", "updated_at", "deleted_at", "deleted", "id", "uuid", "name")
AUDIT = (
    *COMMON,
    "audit_type",
    "state",
    "parameters",
    "interval",
    "goal_id",
    "strategy_id",
    "scope",
    "auto_trigger",
    "next_run_time",
    "hostname",
    "start_time",
    "end_time",
    "force",
    "status_message",
)
GOAL = (*COMMON, "display_name", "efficacy_specification")
STRATEGY = (*COMMON, "display_name", "goal_id", "parameters_spec")
#: What an object shows of each; ``deleted`` is the database's.
FIELDS, GOAL_FIELDS, STRATEGY_FIELDS = (
    tuple(name for name in columns if name != "deleted") for columns in (AUDIT, GOAL, STRATEGY)
)
TIMES = ("created_at", "updated_at", "deleted_at", "next_run_time", "start_time", "end_time")
DOCUMENTS = ("parameters", "scope", "efficacy_specification", "parameters_spec")
#: How many goals there are, and strategies.
RELATED = 4
#: The row of each thousand that has everything.
RICH = 777
#: Rows that a benchmark makes for itself begin with this id.
SPARE = 100_000_000
#: The ids of the workers in the shape ``backlog``.
WORKERS = range(10_000, 10_010)
NEVER = datetime.datetime(2099, 1, 1)
EPOCH = datetime.datetime(2026, 1, 1, 12, 0, 0, 123456)


def ident(number: int) -> str:
    """Return the uuid of a row."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def moment(number: int) -> datetime.datetime:
    """Return a time that is later for a later row."""
    return EPOCH + datetime.timedelta(seconds=number, microseconds=number % 1000)


def related(number: int) -> int:
    """Return the id of the goal, and of the strategy, of an audit."""
    return 1 + number % RELATED


def values(number: int) -> dict[str, Any]:
    """Return what a caller sets of a new audit, as Python's values."""
    return {
        "name": f"audit {number} of {uuid.uuid4().hex[:12]}",
        "audit_type": "ONESHOT",
        "state": "PENDING",
        "parameters": {"memory": 0.5, "granularity": 300},
        "goal_id": related(number),
        "strategy_id": related(number),
        "scope": [],
        "auto_trigger": False,
        "force": False,
    }


def rich(number: int) -> dict[str, Any]:
    """Return further values for one row in a thousand, so that answers contain every column."""
    if number % 1000 != RICH:
        return {}
    return {
        "parameters": {"label": "caf\u00e9", "nested": [{"a": None}, 1.5, True, 10**20]},
        "interval": "3600",
        "scope": [{"compute": [{"host_aggregates": [{"id": number}]}]}],
        "next_run_time": moment(number),
        "hostname": "controller-1",
        "start_time": moment(number + 1),
        "end_time": moment(number).replace(microsecond=0),
        "updated_at": moment(number + 2),
        "status_message": "It waits for its turn, \u2026",
    }


def audit(number: int, **changes: Any) -> dict[str, Any]:
    """Return an audit's row: times and documents are text."""
    row = dict.fromkeys(AUDIT) | values(number) | rich(number)
    row |= {"id": number, "uuid": ident(number), "name": f"audit {number}", "deleted": 0}
    row["created_at"] = moment(number)
    return stored(row | changes)


def grown(number: int, total: int) -> dict[str, Any]:
    """Return a row of many: one in ten is soft-deleted, at least 100 others are ONGOING."""
    changes: dict[str, Any] = {}
    ongoing = max(100, total // 2000)
    if number % 10 == 9:
        changes = {"deleted": number, "deleted_at": moment(number), "state": "DELETED"}
    elif number % 10 == 0 and number % max(10, total // ongoing // 10 * 10) == 0:
        changes = {"state": "ONGOING"}
    return audit(number, **changes)


def backlog(number: int, total: int) -> dict[str, Any]:
    """Return a row of many, most of which have ended, with some work of each kind.

    The newest 5 % wait; some 4 % are between the runs of a continuous audit; some 500 are claimed
    by ten workers, of which every second is dead.
    """
    changes: dict[str, Any] = {"state": "SUCCEEDED", "worker_id": None, "attempts": None}
    claimed, rest = divmod(number, max(1, total // 500))
    if number > total - total // 20:
        changes["state"] = "PENDING"
    elif rest == 1:
        changes |= {"state": "ONGOING", "worker_id": WORKERS[claimed % 10], "attempts": 1}
    elif number % 24 == 0:
        changes |= {"state": "ONGOING", "audit_type": "CONTINUOUS", "interval": "3600"}
        changes |= {"next_run_time": NEVER, "attempts": 0}
    return audit(number, **changes)


def ended(number: int, total: int) -> dict[str, Any]:
    """Return a row of many, all of which have ended."""
    return audit(number, state="SUCCEEDED")


def goal(number: int) -> dict[str, Any]:
    """Return a goal's row."""
    name = f"goal {number}"
    document = [{"name": "released_nodes", "description": "Nodes set free", "unit": None}]
    row = dict.fromkeys(GOAL) | {"id": number, "uuid": ident(number), "name": name, "deleted": 0}
    row |= {"display_name": name, "efficacy_specification": document}
    return stored(row | {"created_at": EPOCH})


def strategy(number: int) -> dict[str, Any]:
    """Return a strategy's row, of the goal with its number."""
    name = f"strategy {number}"
    document = {"properties": {"memory": {"type": "number", "default": 0.5}}}
    row = dict.fromkeys(STRATEGY) | {"id": number, "uuid": ident(number), "name": name}
    row |= {"display_name": name, "goal_id": number, "parameters_spec": document, "deleted": 0}
    return stored(row | {"created_at": EPOCH})


def action_plan(number: int, audit_id: int) -> dict[str, Any]:
    """Return the row of a plan that an audit has come to."""
    row = {"id": number, "uuid": ident(number), "deleted": 0, "state": "SUCCEEDED"}
    row |= {"audit_id": audit_id, "strategy_id": related(number), "global_efficacy": []}
    return stored(row | {"created_at": EPOCH})


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the bare drivers take it."""
    changed = dict(row)
    for name, value in row.items():
        if isinstance(value, datetime.datetime):
            changed[name] = value.isoformat(" ", "microseconds")
        elif isinstance(value, dict | list):
            changed[name] = json.dumps(value)
    return changed


def numbers(total: int) -> Iterator[int]:
    """Return the numbers of rows, which are their ids."""
    return iter(range(1, total + 1))


#: What the audits of a database are like: functions of a number and of how many there are.
SHAPES: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "usual": lambda number, total: audit(number),
    "grown": grown,
    "backlog": backlog,
    "ended": ended,
}
