# SPDX-License-Identifier: Apache-2.0
"""What the model is made of: the life of an audit, handles, levels of transactions."""

import copy
import json
import operator

MOVES = {
    "PENDING": {"ONGOING", "CANCELLED"},
    "ONGOING": {"SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED"},
    "SUSPENDED": {"ONGOING", "DELETED"},
    "SUCCEEDED": {"DELETED"},
    "FAILED": {"DELETED"},
    "CANCELLED": {"DELETED"},
    "DELETED": set(),
}
SPOILED = "DatabaseError"
NOT_FOUND = {"goal": "GoalNotFound", "audit": "AuditNotFound"}
TAKEN = {"goal": "GoalAlreadyExists", "audit": "AuditAlreadyExists"}
OPERATORS = {
    "eq": operator.eq,
    "neq": operator.ne,
    "in": lambda value, asked: value in asked,
    "notin": lambda value, asked: value not in asked,
    "gt": lambda value, asked: value is not None and value > asked,
    "lte": lambda value, asked: value is not None and value <= asked,
}


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
        compared = {"state", "parameters"} & self.known.keys()
        differ = {name for name in compared if exact(self.values[name]) != exact(self.known[name])}
        return (self.tell - compared) | differ

    def become(self, row):
        self.row, self.tell = row["number"], set()
        self.values = copy.deepcopy({n: v for n, v in row.items() if n not in ("number", "kind")})
        self.known = copy.deepcopy(self.values)


class Level:
    """A transaction, or a savepoint in one."""

    def __init__(self, rows):
        self.rows, self.spoiled = copy.deepcopy(rows), False
        self.events, self.undo = [], []


def place_of(row, name):
    """Return what rows are sorted by: no value is the least, and ties go by the id."""
    value = row["number"] if name == "id" else row[name]
    return (value is not None, value or "", row["number"])


def told(row):
    """Return what can be seen of a row."""
    return copy.deepcopy({n: v for n, v in row.items() if n not in ("number", "kind", "id")})
