# SPDX-License-Identifier: Apache-2.0
"""The expected behaviour of the objects in plain Python: rows in a list, and handles.

Written from the README and the docstrings of the public methods, not from the code.
"""

import contextlib
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
    """Return a text of a value, in which True is not 1, and 1 is not 1.0."""
    return json.dumps(value, sort_keys=True)


class Refused(Exception):
    """The name of the error's class; ``spoils`` where the database itself has refused."""

    def __init__(self, name, spoils=False):
        super().__init__(name)
        self.spoils = spoils


class Handle:
    """An object: its values, which of them are not saved, and what it last knew of its row."""

    def __init__(self, kind, values, row=None, sees=False):
        self.kind, self.values, self.row, self.sees = kind, values, row, sees
        self.known, self.old_state = dict(values) if row else {}, None
        self.assigned = set() if row else set(values)

    def changed(self):
        compared = {"parameters"} & self.known.keys()
        differ = {name for name in compared if exact(self.values[name]) != exact(self.known[name])}
        return (self.assigned - compared) | differ

    def become(self, row):
        self.row, self.assigned = row["id"], set()
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


def visible(row):
    """Return what can be seen of a row."""
    return copy.deepcopy({n: v for n, v in row.items() if n not in ("kind", "id")})


class Rows:
    """All rows; and those that are visible outside of an open transaction, to calls from there."""

    def __init__(self):
        self.rows, self.outside = [], None

    def _rows(self, kind, sees):
        rows = self.rows if self.outside is None else self.outside
        return [r for r in rows if r["kind"] == kind and (sees or not r["deleted_at"])]

    def _row(self, kind, uuid, sees):
        for row in self._rows(kind, sees):
            if row["uuid"] == uuid:
                return row
        raise Refused(failed(kind, "NotFound"))

    def _check_keys(self, row):
        """Refuse a row whose uuid or name another has, or that refers to a missing row."""
        others = [r for r in self.rows if r["kind"] == row["kind"] and r["id"] != row["id"]]
        names = () if row["deleted_at"] else [r.get("name") for r in others if not r["deleted_at"]]
        if row.get("name", "") in names or row["uuid"] in (r["uuid"] for r in others):
            raise Refused(failed(row["kind"], "AlreadyExists"), spoils=True)
        for name in row:
            kind = name.removesuffix("_id")
            if kind != name and self._related(row, kind) is None:
                raise Refused(failed(kind, "NotFound"), spoils=True)

    def _related(self, row, kind):
        rows = self._rows(kind, sees=True)
        return next((r for r in rows if r["id"] == row[f"{kind}_id"]), None)

    def _left(self, row, new):
        """Return the state that a row leaves for this one."""
        again = (row["state"], new, row.get("audit_type")) == ("SUCCEEDED", "ONGOING", "EVENT")
        if new not in MOVES[row["kind"]][row["state"]] and not again:
            raise Refused("InvalidStateTransition")
        return row["state"]

    def _meets(self, row, filters):
        for name, asked in filters.items():
            field, _, sign = name.partition("__")
            if not OPERATORS[sign or "eq"](self._value(row, field), asked):
                return False
        return True

    def _value(self, row, field):
        """Return what a row has in a field, or one that it is related to, at any distance."""
        for kind in (name.removesuffix("_id") for name in row if name.endswith("_id")):
            if field.startswith(f"{kind}_") and field not in row:
                return self._value(self._related(row, kind), field.removeprefix(f"{kind}_"))
        return row[field]


class Model(Rows):
    """The database and the handles."""

    def __init__(self):
        super().__init__()
        self.handles, self.levels, self.events, self.number = {}, [], [], 0

    def seen(self):
        """Return what can be seen of every handle."""
        return {
            name: (
                {k: v for k, v in handle.values.items() if k != "id"},
                sorted(handle.changed() - {"id"}),
                handle.old_state,
            )
            for name, handle in self.handles.items()
        }

    def do(self, verb, arguments, by_other=False):
        """Do what the worker does of the same name; the other is in no transaction."""
        self.events = []
        self.outside = self.levels[0].rows if by_other and self.levels else None
        try:
            came = getattr(self, verb)(**arguments)
        except Refused as refused:
            if refused.spoils and self.levels:
                self.levels[-1].spoiled = True
            came = str(refused)
        return came, self.events, self.seen()

    def build(self, handle, kind, given):
        self.handles[handle] = Handle(kind, copy.deepcopy(given))

    def assign(self, handle, field, value):
        self.handles[handle].values[field] = copy.deepcopy(value)
        self.handles[handle].assigned.add(field)

    def put(self, handle, key, value):
        self.handles[handle].values["parameters"][key] = value

    def create(self, handle):
        mine = self.handles[handle]
        self._check_new(mine)
        self._touch()
        self._insert(mine)
        self._publish(mine, "create", None)

    def create_many(self, kind, handles):
        new = [self.handles[handle] for handle in handles]
        for one in new:
            self._check_new(one)
        if not new:
            return
        with self._whole():
            for one in new:
                self._insert(one)
        for one in new:
            self._publish(one, "create", None)

    def save(self, handle):
        mine = self.handles[handle]
        if changed := mine.changed():
            self._write(mine, {name: mine.values[name] for name in changed})

    def soft_delete(self, handle):
        mine = self.handles[handle]
        given = {name: mine.values[name] for name in mine.changed()}
        self._write(mine, given, deletes=True)

    def destroy(self, handle):
        mine = self.handles[handle]
        self._touch()
        row = self._row(mine.kind, mine.values["uuid"], sees=True)
        for other in [r for r in self.rows if r.get(f"{mine.kind}_id") == row["id"]]:
            if other["kind"] != "action":
                raise Refused(failed(mine.kind, "Referenced"), spoils=True)
            self.rows.remove(other)
            self._note("action", "destroy", other, None)
        self.rows.remove(row)
        self._keep(mine)
        mine.assigned, mine.known = set(), copy.deepcopy(mine.values)
        self._publish(mine, "destroy", None)

    def refresh(self, handle):
        mine = self.handles[handle]
        self._touch()
        row = self._row(mine.kind, mine.values["uuid"], mine.sees)
        self._keep(mine)
        mine.become(row)

    def get(self, handle, kind, uuid, sees):
        self._touch()
        self._loaded(handle, self._row(kind, uuid, sees), sees)

    def get_by_name(self, handle, kind, name, sees):
        self._touch()
        found = [r for r in self._rows(kind, sees) if r["name"] == name]
        if not found:
            raise Refused(failed(kind, "NotFound"))
        self._loaded(handle, min(found, key=lambda r: (r["deleted_at"], r["id"])), sees)

    def list(self, kind, sees, filters, sort_key, sort_dir, limit, marker=None):
        self._touch()
        place = None if marker is None else self._place(kind, marker, sort_key)
        found = [r for r in self._rows(kind, sees) if self._meets(r, filters)]
        found.sort(key=lambda r: place_of(r, sort_key), reverse=sort_dir == "desc")
        if place and sort_dir == "desc":
            found = [r for r in found if place_of(r, sort_key) < place]
        elif place:
            found = [r for r in found if place_of(r, sort_key) > place]
        return [visible(row) for row in found[:limit]]

    def iterate(self, batch, **asked):
        return self.list(limit=None, **asked)

    def begin(self):
        self._touch()
        self.levels.append(Level(self.rows))

    def end(self, commits):
        level = self.levels.pop()
        if not commits or level.spoiled:
            self.rows = level.rows
            for undo in reversed(level.undo):
                undo()
            if commits:
                raise Refused(SPOILED)
        elif self.levels:
            self.levels[-1].events += level.events
            self.levels[-1].undo += level.undo
        else:
            self.events += level.events

    @contextlib.contextmanager
    def _whole(self):
        """Do all or nothing, as a savepoint: what the database refuses spoils no more."""
        self.begin()
        try:
            yield
        except Refused as refused:
            self.end(commits=False)
            raise Refused(str(refused)) from None
        self.end(commits=True)

    def _touch(self):
        if self.outside is None and self.levels and self.levels[-1].spoiled:
            raise Refused(SPOILED)

    def _keep(self, handle):
        """Restore a handle to what it is now once this level is rolled back."""
        if self.levels and self.outside is None:
            before = copy.deepcopy(vars(handle))
            self.levels[-1].undo.append(lambda: vars(handle).update(before))

    def _publish(self, handle, what, old_state):
        self._note(handle.kind, what, handle.values, old_state)

    def _note(self, kind, what, values, old_state):
        event = (kind, what, values["uuid"], values.get("state"), old_state)
        (self.levels[-1].events if self.levels else self.events).append(event)

    def _loaded(self, handle, row, sees):
        self.handles[handle] = Handle(row["kind"], {}, sees=sees)
        self.handles[handle].become(row)

    def _check_new(self, handle):
        if handle.row is not None:
            raise Refused("ObjectActionError")

    def _insert(self, handle):
        self.number += 1
        first = {"id": self.number, **INITIAL.get(handle.kind, {})}
        row = {**first, **copy.deepcopy(handle.values), "kind": handle.kind}
        row |= {"updated_at": False, "deleted_at": False}
        self._check_keys(row)
        self.rows.append(row)
        self._keep(handle)
        handle.become(row)

    def _write(self, handle, given, deletes=False):
        if handle.row is None:
            raise Refused("ReadOnlyField")
        if self.outside is not None:
            raise Refused("DatabaseUnavailable")
        self._touch()
        deletes = deletes or given.get("state") == "DELETED"
        if deletes and handle.kind == "action_plan":
            with self._whole():
                self._delete_actions(handle)
                old_state = self._change(handle, given, deletes)
        else:
            old_state = self._change(handle, given, deletes)
        self._publish(handle, "delete" if deletes else "update", old_state)

    def _change(self, handle, given, deletes):
        """Write a row; return the state that it has left."""
        row = self._row(handle.kind, handle.values["uuid"], sees=False)
        old_state = None
        if handle.kind in MOVES and (deletes or "state" in given):
            given = {**given, **({"state": "DELETED"} if deletes else {})}
            old_state = self._left(row, given["state"])
        new = {**row, **copy.deepcopy(given), "updated_at": True, "deleted_at": deletes}
        self._check_keys(new)
        row.update(new)
        self._keep(handle)
        handle.become(row)
        handle.old_state = old_state or handle.old_state
        return old_state

    def _delete_actions(self, handle):
        plan = self._row(handle.kind, handle.values["uuid"], sees=False)
        for row in self._rows("action", sees=False):
            if row["action_plan_id"] == plan["id"]:
                goes_along = row["state"] in ("PENDING", "DELETED")
                left = row["state"] if goes_along else self._left(row, "DELETED")
                old_state = None if left == "DELETED" else left
                row.update(state="DELETED", updated_at=True, deleted_at=True)
                self._note("action", "delete", row, old_state)

    def _place(self, kind, marker, sort_key):
        """Return what a handle says of its row, or what the row says."""
        if marker in self.handles:
            mine = self.handles[marker]
            if sort_key not in mine.changed():
                return place_of(mine.values, sort_key)
            marker = mine.values["uuid"]
        return place_of(self._row(kind, marker, sees=True), sort_key)
