# SPDX-License-Identifier: Apache-2.0
"""Faults to plant in the library, in a worker's process; the judge must find each of them."""

import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from tests.chaos.judge import Kind
from watcher_objects import db, events, exception
from watcher_objects.db import api
from watcher_objects.db.backend import database as backend
from watcher_objects.db.sql import dml, queries, state_guard
from watcher_objects.db.statements import row_to_dict
from watcher_objects.persistence.writing import Writable
from watcher_objects.states import AuditStateTransitionManager, State

_write, _move, _update = dml.update, api._moved, api.update
_save, _tell = Writable._update, Writable._publish
_count = itertools.count()


def now_and_then() -> bool:
    """Tell whether a rare fault happens now."""
    return next(_count) % 4 == 0


class Fault(NamedTuple):
    """A fault, the scenario that it is found in, and what is found of it at least."""

    plant: Callable[[], None]
    scenario: str
    found: Kind


def no_state_in_the_where() -> None:
    """Write whatever the row's state is."""
    dml.update = lambda table, key, bound, guard=None: _write(table, key, bound)


def read_then_write() -> None:
    """Ask the row first, and then write without asking."""

    def move(write):
        if "state" not in write.bound:
            return _move(write)
        row = row_to_dict(write.table, api.get(write.table, write.key))
        state_guard.check_move(write.table, row, write.bound["state"])
        time.sleep(0.003)  # another may come in between
        return api.Update(_write(write.table, write.key, write.bound), row["state"])

    api._moved = move


def any_move_is_legal() -> None:
    """Forget the table of moves."""
    AuditStateTransitionManager.condition = classmethod(lambda cls, initial, new: {})


def an_equal_state_requests_nothing() -> None:
    """Take a state for unchanged that is assigned to a handle which was read in it."""
    backend.use_profile("watcher")


def known_is_told_as_old() -> None:
    """Take for the state that the row left what the handle remembers."""

    def update(table, key, given, known=api.UNKNOWN):
        done = _update(table, key, given, known)
        return done and done._replace(old_state=done.old_state and known.state)

    api.update = update


def unknown_commit_is_tried_again() -> None:
    """Do a write again of which the answer was lost, without looking whether it is done."""

    def update(*args):
        done = _update(*args)
        return _update(*args) if now_and_then() else done

    api.update = update


def soft_delete_in_two_steps() -> None:
    """Mark the row as deleted behind its state."""
    marks = ("deleted", "deleted_at")

    def move(write):
        bound = write.bound
        first = {name: value for name, value in bound.items() if name not in marks}
        done = _move(write._replace(bound=first))
        if done is None or "deleted" not in bound:
            return done
        cells = _write(write.table, write.key, {name: bound[name] for name in marks})
        return done._replace(cells=cells)

    api._moved = move


def error_is_swallowed() -> None:
    """Say that all went well."""

    def save(self, verb, given):
        with suppress(exception.WatcherException):
            _save(self, verb, given)

    Writable._update = save


def row_is_written_twice() -> None:
    """Write again what has been written."""

    def write(table, key, bound, guard=None):
        done = _write(table, key, bound, guard)
        return done and _write(table, key, bound)

    dml.update = write


def deleted_rows_are_written() -> None:
    """Forget that a deleted row takes no write."""
    dml.identity_conditions = lambda table, key, show_deleted: queries.identity_conditions(
        table, key, True
    )


def another_row_is_written() -> None:
    """Write the row of the call before."""
    last: list[Mapping[str, Any]] = []

    def write(table, key, bound, guard=None):
        last.append(key)
        return _write(table, last[-2] if now_and_then() and last[1:] else key, bound, guard)

    dml.update = write


def a_field_is_lost() -> None:
    """Leave out a part of what was to be written."""

    def update(table, key, given, known=api.UNKNOWN):
        kept = {n: v for n, v in given.items() if n != "status_message" or not now_and_then()}
        return _update(table, key, kept, known)

    api.update = update


def create_in_two_steps() -> None:
    """Fill in a part of a new row behind its INSERT."""

    def create(table, given):
        cells = _create(table, {**given, "status_message": None})
        told = {"status_message": given["status_message"]}
        return _write(table, {"id": row_to_dict(table, cells)["id"]}, told)

    _create, api.create = api.create, create


def create_in_another_state() -> None:
    """Let an audit begin where it must be brought to."""
    create = api.create
    api.create = lambda table, given: create(table, {**given, "state": State.ONGOING})


def event_before_the_write() -> None:
    """Tell of a write that may yet be refused."""

    def save(self, verb, given):
        _tell(self, "update", vars(self)["_row_state"])
        _save(self, verb, given)

    Writable._update = save
    Writable._publish = lambda self, kind, old=None: kind == "create" and _tell(self, kind)


def no_event() -> None:
    """Tell nobody."""
    Writable._publish = lambda *args: None


def event_is_told_again() -> None:
    """Tell an event twice."""
    publish = events.publish
    events.publish = lambda event: (publish(event), publish(event))


def answer_before_a_rollback() -> None:
    """Report what is then rolled back."""

    def save(self, verb, given):
        with suppress(ZeroDivisionError), db.transaction():
            _save(self, verb, given)
            if now_and_then():
                raise ZeroDivisionError

    Writable._update = save


def answer_before_the_write() -> None:
    """Keep what is to be written, for some writes at once; a process that is killed can't."""
    kept: list[Callable[[], None]] = []

    def save(self, verb, given):
        kept.append(lambda: _save(self, verb, given))
        while len(kept) > 5:
            kept.pop(0)()

    Writable._update = save


def read_from_a_cache() -> None:
    """Return a row as it was when it was first read or written."""
    seen: dict[str, Any] = {}

    def get(table, key, **asked):
        # A write asks for the row as it is, and would wait for ever.
        return seen.setdefault(str(key), _get(table, key, **asked)) if asked else _get(table, key)

    def update(table, key, given, known=api.UNKNOWN):
        done = _update(table, key, given, known)
        return done and seen.setdefault(str(key), done.cells) and done

    _get, api.get, api.update = api.get, get, update


FAULTS = {
    fault.plant.__name__: fault
    for fault in (
        Fault(no_state_in_the_where, "claims", Kind.FALSE_CLAIM),
        Fault(read_then_write, "claims", Kind.FALSE_CLAIM),
        Fault(any_move_is_legal, "mix", Kind.ILLEGAL_MOVE),
        Fault(an_equal_state_requests_nothing, "claims", Kind.FALSE_CLAIM),
        Fault(known_is_told_as_old, "mix", Kind.EVENT_OLD_STATE),
        Fault(unknown_commit_is_tried_again, "claims", Kind.DONE_ALTHOUGH_REFUSED),
        Fault(soft_delete_in_two_steps, "mix", Kind.HALF_WRITTEN),
        Fault(error_is_swallowed, "claims", Kind.LOST),
        Fault(row_is_written_twice, "claims", Kind.TWICE),
        Fault(deleted_rows_are_written, "mix", Kind.AFTER_DELETION),
        Fault(another_row_is_written, "mix", Kind.NOBODYS),
        Fault(a_field_is_lost, "mix", Kind.TWICE),
        Fault(create_in_two_steps, "mix", Kind.NOBODYS),
        Fault(create_in_another_state, "mix", Kind.ILLEGAL_MOVE),
        Fault(event_before_the_write, "mix", Kind.EVENT_OF_NOTHING),
        Fault(no_event, "claims", Kind.EVENT_MISSING),
        Fault(event_is_told_again, "claims", Kind.EVENT_REPEATED),
        Fault(answer_before_a_rollback, "claims", Kind.LOST),
        Fault(answer_before_the_write, "kills", Kind.LOST),
        Fault(read_from_a_cache, "mix", Kind.READ_BACKWARDS),
    )
}
