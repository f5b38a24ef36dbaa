# SPDX-License-Identifier: Apache-2.0
"""Faults to plant in the library, in a worker's process; the checker must find each of them."""

import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from tests.chaos import lease_faults, leases
from tests.chaos.checker import Kind
from watcher_objects import Audit, db, events, exception
from watcher_objects.db import api
from watcher_objects.db.sql import dml, journal, queries, state_guard
from watcher_objects.db.statements import row_to_dict
from watcher_objects.states import AuditStateTransitionManager, State

_write, _create, _get, _update = dml.update, api.create, api.get, api.update
_entry, _values = journal.entry, journal.values
_save, _publish = Audit.save, events.publish
_count = itertools.count()


def now_and_then() -> bool:
    """Return whether a rare fault happens now."""
    return next(_count) % 4 == 0


class Fault(NamedTuple):
    """A fault, the scenario that it is found in, and what is found of it at least."""

    plant: Callable[[], None]
    scenario: str
    found: Kind | leases.Kind


def no_state_in_the_where() -> None:
    """Write whatever the row's state is."""
    dml.update = lambda table, key, bound, *rest: _write(table, key, bound)


def read_then_write() -> None:
    """Read the state, and then write without a condition."""

    def write(table, key, bound, guard=None, *rest):
        if guard:
            row = row_to_dict(table, _get(table, key))
            state_guard.check_move(table, row, bound["state"])
            time.sleep(0.003)  # another may come in between
        return _write(table, key, bound)

    dml.update = write


def any_move_is_legal() -> None:
    """Forget the table of transitions."""
    AuditStateTransitionManager.condition = classmethod(lambda cls, initial, new: {})


def an_equal_state_requests_nothing() -> None:
    """Regard a state as unchanged that is assigned to an object which was read in it."""
    db.configure(db.get_engine().url, transitions="watcher")


def known_is_published_as_old() -> None:
    """Publish the state that the object was in as the one that the row has left."""

    def update(table, key, given, known=api.UNKNOWN, **rest):
        done = _update(table, key, given, known, **rest)
        return done and done._replace(old_state=done.old_state and known.state)

    api.update = update


def unknown_commit_is_tried_again() -> None:
    """Repeat a write whose answer was lost, without looking whether it is done."""

    def update(*args, **rest):
        done = _update(*args, **rest)
        return _update(*args, **rest) if now_and_then() else done

    api.update = update


def soft_delete_in_two_steps() -> None:
    """Mark the row as deleted after its state is written."""

    def write(table, key, bound, *rest):
        marks = {name: bound[name] for name in ("deleted", "deleted_at") if name in bound}
        others = {name: value for name, value in bound.items() if name not in marks}
        done = _write(table, key, others, *rest)
        return _write(table, key, marks) if done and marks else done

    dml.update = write


def error_is_swallowed() -> None:
    """Ignore what was refused."""

    def save(self):
        with suppress(exception.WatcherException):
            _save(self)

    Audit.save = save


def row_is_written_twice() -> None:
    """Write again what has been written."""

    def write(table, key, bound, *rest):
        done = _write(table, key, bound, *rest)
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

    def write(table, key, bound, *rest):
        last.append(key)
        return _write(table, last[-2] if now_and_then() and last[1:] else key, bound, *rest)

    dml.update = write


def a_field_is_lost() -> None:
    """Leave out a part of what was to be written."""

    def update(table, key, given, *known, **rest):
        kept = {n: v for n, v in given.items() if n != "status_message" or not now_and_then()}
        return _update(table, key, kept, *known, **rest)

    api.update = update


def create_in_two_steps() -> None:
    """Fill in a part of a new row after its INSERT."""

    def create(table, given, *rest):
        cells = _create(table, {**given, "status_message": None}, *rest)
        rest = {"status_message": given["status_message"]}
        return _write(table, {"id": row_to_dict(table, cells)["id"]}, rest)

    api.create = create


def create_in_another_state() -> None:
    """Create an audit in a state that is not the first."""
    api.create = lambda table, given, *rest: _create(
        table, {**given, "state": State.ONGOING}, *rest
    )


def event_before_the_write() -> None:
    """Publish a write that may still be refused."""

    def save(self):
        _publish(events.Event("audit", "update", None, self))
        _save(self)

    Audit.save = save
    events.publish = lambda event: event.kind == "create" and _publish(event)


def no_event() -> None:
    """Publish nothing."""
    events.publish = lambda event: None


def event_is_repeated() -> None:
    """Publish each event twice."""
    events.publish = lambda event: (_publish(event), _publish(event))


def answer_before_a_rollback() -> None:
    """Report what is then rolled back."""

    def save(self):
        with suppress(ZeroDivisionError), db.transaction():
            _save(self)
            if now_and_then():
                raise ZeroDivisionError

    Audit.save = save


def answer_before_the_write() -> None:
    """Delay writes, which a process that is killed does not make."""
    delayed: list[Audit] = []

    def save(self):
        delayed.append(self.obj_clone())
        self.obj_reset_changes()
        while len(delayed) > 5:
            _save(delayed.pop(0))

    Audit.save = save


def read_from_a_cache() -> None:
    """Return a row as it was when it was first read or written."""
    seen: dict[str, Any] = {}

    def get(table, key, **options):
        # A write reads the row as it is, and would wait for ever.
        found = _get(table, key, **options)
        return seen.setdefault(str(key), found) if options else found

    def update(table, key, given, *known, **rest):
        done = _update(table, key, given, *known, **rest)
        return done and seen.setdefault(str(key), done.cells) and done

    api.get, api.update = get, update


def a_transition_is_not_recorded() -> None:
    """Leave the journal without some transitions."""
    journal.entry = lambda *args: None if now_and_then() else _entry(*args)


def another_old_state_is_recorded() -> None:
    """Record the first state as the one that the row has left."""
    journal.values = lambda entry, left: _values(entry, left and State.PENDING)


FAULTS = {
    fault.plant.__name__: fault
    for fault in (
        Fault(no_state_in_the_where, "claims", Kind.FALSE_CLAIM),
        Fault(read_then_write, "claims", Kind.FALSE_CLAIM),
        Fault(any_move_is_legal, "mix", Kind.ILLEGAL_MOVE),
        Fault(an_equal_state_requests_nothing, "claims", Kind.FALSE_CLAIM),
        Fault(known_is_published_as_old, "mix", Kind.EVENT_OLD_STATE),
        Fault(unknown_commit_is_tried_again, "claims", Kind.DONE_ALTHOUGH_REFUSED),
        Fault(soft_delete_in_two_steps, "mix", Kind.HALF_WRITTEN),
        Fault(error_is_swallowed, "claims", Kind.LOST),
        Fault(row_is_written_twice, "claims", Kind.TWICE),
        Fault(deleted_rows_are_written, "mix", Kind.AFTER_DELETION),
        Fault(another_row_is_written, "mix", Kind.UNREQUESTED),
        Fault(a_field_is_lost, "mix", Kind.TWICE),
        Fault(create_in_two_steps, "mix", Kind.UNREQUESTED),
        Fault(create_in_another_state, "mix", Kind.ILLEGAL_MOVE),
        Fault(event_before_the_write, "mix", Kind.EVENT_OF_NOTHING),
        Fault(no_event, "claims", Kind.EVENT_MISSING),
        Fault(event_is_repeated, "claims", Kind.EVENT_REPEATED),
        Fault(answer_before_a_rollback, "claims", Kind.LOST),
        Fault(answer_before_the_write, "kills", Kind.LOST),
        Fault(read_from_a_cache, "mix", Kind.READ_BACKWARDS),
        Fault(a_transition_is_not_recorded, "claims", Kind.JOURNAL),
        Fault(another_old_state_is_recorded, "mix", Kind.JOURNAL),
        Fault(lease_faults.finish_by_state, "workers", leases.Kind.WRONG),
        Fault(lease_faults.fence_by_a_live_worker, "workers", leases.Kind.WRONG),
        Fault(lease_faults.takeover_by_id, "workers", leases.Kind.TAKEN_ALIVE),
        Fault(lease_faults.host_name_as_identity, "workers", leases.Kind.SHARED),
        Fault(lease_faults.lost_claim_is_repeated, "workers", leases.Kind.UNKNOWN),
        Fault(lease_faults.no_reconciliation, "workers", leases.Kind.ABANDONED),
    )
}
