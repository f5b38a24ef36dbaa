# SPDX-License-Identifier: Apache-2.0
"""What the objects are to do, told in plain Python: rows in a list, and handles that know some.

Written from the README and the docstrings of the public methods, not from the code.
"""

import contextlib
import copy

from tests.differential.rows import Rows
from tests.differential.rules import (
    INITIAL,
    MOVES,
    SPOILED,
    Handle,
    Level,
    Refused,
    failed,
    place_of,
    told,
)


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
        with self._whole():
            for one in new:
                self._insert(one)
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
        for other in [r for r in self.rows if r.get(f"{mine.kind}_id") == row["id"]]:
            if other["kind"] != "action":
                raise Refused(failed(mine.kind, "Referenced"), spoils=True)
            self.rows.remove(other)
            self._note("action", "destroy", other, None)
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
        return [told(row) for row in found[:limit]]

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
        """Let a handle be what it is now once this level is rolled back."""
        if self.levels and self.outside is None:
            before = copy.deepcopy(vars(handle))
            self.levels[-1].undo.append(lambda: vars(handle).update(before))

    def _tell(self, handle, what, old_state):
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
        self._tell(handle, "delete" if deletes else "update", old_state)

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
