# SPDX-License-Identifier: Apache-2.0
"""The commands that move audits from state to state."""

import contextlib
import json
import sqlite3

import pytest
from oslo_context.context import RequestContext

from watcher_objects import Audit, db, events
from watcher_objects.states import AuditStateTransitionManager, State

VERBS = {
    "start": State.ONGOING,
    "resume": State.ONGOING,
    "suspend": State.SUSPENDED,
    "cancel": State.CANCELLED,
    "delete": State.DELETED,
}


@pytest.fixture
def moved(on):
    """Move audits of the filled database; return the rows, the lines of stderr, the code."""

    def moved(verb, *audits):
        result = on("audit", verb, *audits, "-f", "json")
        return json.loads(result.out), result.err.splitlines(), result.code

    return moved


@pytest.mark.parametrize("state", sorted(AuditStateTransitionManager.TRANSITIONS))
@pytest.mark.parametrize("verb", VERBS)
def test_a_move_is_made_or_refused_as_the_table_says(moved, filled, verb, state):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        is_deleted = "" if state == State.DELETED else "NOT"
        sql = f"UPDATE audits SET state = ?, deleted = id IS {is_deleted} id WHERE name = 'one'"
        connection.execute(sql, [state])
        connection.commit()
        listing, errors, code = moved(verb, "one")
        query = "SELECT uuid, state FROM audits WHERE name = 'one'"
        ((uuid, now),) = connection.execute(query).fetchall()
    if AuditStateTransitionManager.check_transition(state, VERBS[verb]):
        row = {"uuid": uuid, "name": "one", "from": state, "to": VERBS[verb]}
        assert (listing, errors, code, now) == ([row], [], 0, VERBS[verb])
    else:
        gone = "Audit one not found"
        change = f"Cannot change {uuid} in audits from {state} to {VERBS[verb]}"
        message = gone if state == State.DELETED else change
        (line,) = errors
        assert (listing, line.startswith(message), code, now) == ([], True, 1, state)


def test_an_event_audit_that_succeeded_is_started_again(on, rows, filled):
    created = "audit", "create", "--goal", "cool", "--type", "event", "--name", "again"
    assert on(*created).code == 0
    assert on("audit", "start", "again").code == 0
    db.configure(f"sqlite:///{filled}")
    audit = Audit.get_by_name(RequestContext(), "again")
    audit.state = State.SUCCEEDED
    audit.save()
    db.dispose()
    (row,) = rows("audit", "start", "again")
    assert (row["from"], row["to"]) == ("SUCCEEDED", "ONGOING")


def test_of_several_audits_those_that_may_are_moved(moved, rows):
    uuid = rows("audit", "show", "2")["uuid"]
    assert moved("start", "four")[2] == 0
    listing, errors, code = moved("start", "1", "four", uuid, "nobody", "three")
    assert [row["name"] for row in listing] == ["one", "two", "three"]
    assert [line.split()[-1] for line in errors] == ["SUSPENDED", "found"]
    assert code == 1


def test_what_it_was_is_what_the_row_said_at_the_write(moved, monkeypatch):
    """Another may have moved the audit since it was read."""
    read = Audit.get_by_name

    def read_and_overtaken(context, name, **options):
        audit = read(context, name, **options)
        other = read(context, name)
        other.state = State.ONGOING
        other.save()
        return audit

    monkeypatch.setattr(Audit, "get_by_name", read_and_overtaken)
    expected = []
    end = events.subscribe(expected.append)
    listing, _, _ = moved("cancel", "one")
    end()
    assert [(row["from"], row["to"]) for row in listing] == [("ONGOING", "CANCELLED")]
    assert [event.old_state for event in expected] == ["PENDING", "ONGOING"]


def test_no_audit_at_all_is_wrong_usage(on):
    assert on("audit", "start").code == 2
