# SPDX-License-Identifier: Apache-2.0
"""What the model is made of: kinds of rows and their lives, handles, levels of transactions."""

import copy
import json
import operator

from tests.test_states import DOCUMENTED, FIRST
from watcher_objects import Action, ActionPlan, Audit, Goal, Strategy

CLASSES = {
    "goal": Goal,
    "strategy": Strategy,
    "audit": Audit,
    "action_plan": ActionPlan,
    "action": Action,
}
KINDS = {cls: kind for kind, cls in CLASSES.items()}
MOVES = {KINDS[cls]: moves for cls, moves in DOCUMENTED.items()}
INITIAL = {KINDS[cls]: {"state": state} for cls, state in FIRST.items()}
SPOILED = "DatabaseError"
OPERATORS = {
    "eq": operator.eq,
    "neq": operator.ne,
    "in": lambda value, asked: value in asked,
    "notin": lambda value, asked: value not in asked,
    "gt": lambda value, asked: value is not None and value > asked,
    "lte": lambda value, asked: value is not None and value <= asked,
}


def failed(kind, how):
    """Return the name of the error that a kind has for that."""
    return f"{CLASSES[kind].obj_name()}{how}"


def exact(value):
    """Tell a value so that True is not 1, and 1 is not 1.0."""
    return json.dumps(value, sort_keys=True)


class Refused(Exception):
    """The name of the error's class; ``spoils`` where the database itself has refused."""

    def __init__(self, name, spoils=False):
        super().__init__(name)
        self.spoils = spoils


class Handle:
    """An object: what it says, what of that is not saved, and what it last knew of its row."""

    def __init__(self, kind, values, row=None, sees=False):
        self.kind, self.values, self.row, self.sees = kind, values, row, sees
        self.known, self.old_state = dict(values) if row else {}, None
        self.tell = set() if row else set(values)

    def changed(self):
        compared = {"parameters"} & self.known.keys()
        differ = {name for name in compared if exact(self.values[name]) != exact(self.known[name])}
        return (self.tell - compared) | differ

    def become(self, row):
        self.row, self.tell = row["id"], set()
        self.values = copy.deepcopy({n: v for n, v in row.items() if n != "kind"})
        self.known = copy.deepcopy(self.values)


class Level:
    """A transaction, or a savepoint in one."""

    def __init__(self, rows):
        self.rows, self.spoiled = copy.deepcopy(rows), False
        self.events, self.undo = [], []


def place_of(row, name):
    """Return what rows are sorted by: no value is the least, and ties go by the id."""
    return (row[name] is not None, row[name] or "", row["id"])


def told(row):
    """Return what can be seen of a row."""
    return copy.deepcopy({n: v for n, v in row.items() if n not in ("kind", "id")})
