# SPDX-License-Identifier: Apache-2.0
"""What the objects are to do, told in plain Python: rows in a list, and handles that know some.

Written from the README and the docstrings of the public methods, not from the code.
"""

import copy

from tests.differential.rules import (
    MOVES,
    NOT_FOUND,
    OPERATORS,
    SPOILED,
    TAKEN,
    Handle,
    Level,
    Refused,
    place_of,
    told,
)


class Model:
    """The database and the handles."""

    def __init__(self):
        self.rows, self.handles, self.levels, self.events, self.number = [], {}, [], [], 0

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

    def do(self, verb, arguments):
        """Do what the worker does of the same name."""
        self.events = []
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
        self.handles[handle].tell.add(field)

    def put(self, handle, key, value):
        self.handles[handle].values["parameters"][key] = value

    def create(self, handle):
        mine = self.handles[handle]
        self._check_new(mine)
        self._touch()
        self._insert(mine)
        self._tell(mine, "create", None)

    def create_many(self, kind, handles):
        new = [self.handles[handle] for handle in handles]
        for one in new:
            self._check_new(one)
        if not new:
            return
        self.begin()
        try:
            for one in new:
                self._insert(one)
        except Refused as refused:
            # Its rows are a savepoint of their own.
            self.end(commits=False)
            raise Refused(str(refused)) from None
        self.end(commits=True)
        for one in new:
            self._tell(one, "create", None)

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
        if mine.kind == "goal" and any(r.get("goal_id") == row["id"] for r in self.rows):
            raise Refused("GoalReferenced", spoils=True)
        self.rows.remove(row)
        self._keep(mine)
        mine.tell, mine.known = set(), copy.deepcopy(mine.values)
        self._tell(mine, "destroy", None)

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
            raise Refused(NOT_FOUND[kind])
        self._loaded(handle, min(found, key=lambda r: (r["deleted_at"], r["number"])), sees)

    def list(self, kind, sees, filters, sort_key, sort_dir, limit, marker=None):
        self._touch()
        place = None if marker is None else self._place(kind, marker, sort_key)
        found = [r for r in self._rows(kind, sees) if self._meets(r, filters)]
        found.sort(key=lambda r: place_of(r, sort_key), reverse=sort_dir == "desc")
        if place and sort_dir == "desc":
            found = [r for r in found if place_of(r, sort_key) < place]
        elif place:
            found = [r for r in found if place_of(r, sort_key) > place]
        return [told(row) for row in found[:limit]]

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

    def _touch(self):
        if self.levels and self.levels[-1].spoiled:
            raise Refused(SPOILED)

    def _keep(self, handle):
        """Let a handle be what it is now once this level is rolled back."""
        if self.levels:
            before = copy.deepcopy(vars(handle))
            self.levels[-1].undo.append(lambda: vars(handle).update(before))

    def _tell(self, handle, kind, old_state):
        values = handle.values
        event = (handle.kind, kind, values["uuid"], values.get("state"), old_state)
        (self.levels[-1].events if self.levels else self.events).append(event)

    def _rows(self, kind, sees):
        return [r for r in self.rows if r["kind"] == kind and (sees or not r["deleted_at"])]

    def _row(self, kind, uuid, sees):
        for row in self._rows(kind, sees):
            if row["uuid"] == uuid:
                return row
        raise Refused(NOT_FOUND[kind])

    def _loaded(self, handle, row, sees):
        self.handles[handle] = Handle(row["kind"], {}, sees=sees)
        self.handles[handle].become(row)

    def _check_new(self, handle):
        if handle.row is not None:
            raise Refused("ObjectActionError")

    def _insert(self, handle):
        self.number += 1
        first = {"state": "PENDING"} if handle.kind == "audit" else {}
        row = {**first, **copy.deepcopy(handle.values), "kind": handle.kind, "number": self.number}
        row |= {"updated_at": False, "deleted_at": False}
        self._check_keys(row)
        self.rows.append(row)
        self._keep(handle)
        handle.become(row)

    def _check_keys(self, row):
        """Refuse a row whose uuid or name another has, or whose goal there is not."""
        others = [r for r in self.rows if r["kind"] == row["kind"]]
        others = [r for r in others if r["number"] != row["number"]]
        names = () if row["deleted_at"] else [r["name"] for r in others if not r["deleted_at"]]
        if row["name"] in names or row["uuid"] in (r["uuid"] for r in others):
            raise Refused(TAKEN[row["kind"]], spoils=True)
        goals = [r["id"] for r in self.rows if r["kind"] == "goal"]
        if row["kind"] == "audit" and row["goal_id"] not in goals:
            raise Refused("GoalNotFound", spoils=True)

    def _write(self, handle, given, deletes=False):
        if handle.row is None:
            raise Refused("ReadOnlyField")
        self._touch()
        row = self._row(handle.kind, handle.values["uuid"], sees=False)
        deletes = deletes or given.get("state") == "DELETED"
        old_state = None
        if handle.kind == "audit" and (deletes or "state" in given):
            given = {**given, **({"state": "DELETED"} if deletes else {})}
            old_state = row["state"]
            self._check_move(row, given["state"])
        new = {**row, **copy.deepcopy(given), "updated_at": True, "deleted_at": deletes}
        self._check_keys(new)
        row.update(new)
        self._keep(handle)
        handle.become(row)
        handle.old_state = old_state or handle.old_state
        self._tell(handle, "delete" if deletes else "update", old_state)

    def _check_move(self, row, new):
        again = (row["state"], new, row["audit_type"]) == ("SUCCEEDED", "ONGOING", "EVENT")
        if new not in MOVES[row["state"]] and not again:
            raise Refused("InvalidStateTransition")

    def _meets(self, row, filters):
        goals = {r["id"]: r["name"] for r in self.rows if r["kind"] == "goal"}
        for name, asked in filters.items():
            field, _, sign = name.partition("__")
            value = goals[row["goal_id"]] if field == "goal_name" else row[field]
            if not OPERATORS[sign or "eq"](value, asked):
                return False
        return True

    def _place(self, kind, marker, sort_key):
        """Return what a handle says of its row, or what the row says."""
        if marker in self.handles:
            mine = self.handles[marker]
            if sort_key not in mine.changed():
                return place_of({**mine.values, "number": mine.row}, sort_key)
            marker = mine.values["uuid"]
        return place_of(self._row(kind, marker, sees=True), sort_key)
