# SPDX-License-Identifier: Apache-2.0
"""The commands ``... history``, and the last transition that ``... show`` has."""

import getpass

import pytest
from oslo_context.context import RequestContext

from watcher_objects import Audit, db


@pytest.fixture
def moved(on):
    """An audit that two commands have moved."""
    assert on("audit", "start", "one").code == 0
    assert on("audit", "cancel", "one", "--reason", "host-7 is drained").code == 0
    return "one"


def test_the_history_says_what_why_and_by_which_command(rows, moved):
    found = rows("audit", "history", moved)
    steps = [(r["seq"], r["from_state"], r["to_state"], r["kind"], r["reason"]) for r in found]
    assert steps == [
        (1, None, "PENDING", "create", None),
        (2, "PENDING", "ONGOING", "save", f"audit start, run by {getpass.getuser()}"),
        (3, "ONGOING", "CANCELLED", "save", "host-7 is drained"),
    ]
    assert not any(row["gap"] for row in found)


def test_the_history_can_be_limited_to_the_last(rows, moved):
    assert [row["seq"] for row in rows("audit", "history", moved, "--limit", "2")] == [2, 3]


def test_a_table_shows_times_as_lists_do(on, moved):
    line = on("audit", "history", moved).out.splitlines()[-2]
    assert "| ONGOING" in line
    assert ":" in line.split("|")[4]


def test_the_history_of_what_is_deleted_or_destroyed_is_shown(rows, on, filled):
    assert [row["kind"] for row in rows("audit", "history", "five")] == [
        "create",
        "save",
        "delete",
    ]
    db.configure(f"sqlite:///{filled}")
    audit = Audit.get_by_name(RequestContext(), "two")
    audit.destroy()
    db.dispose()
    assert [row["kind"] for row in rows("audit", "history", audit.uuid)] == ["create", "destroy"]
    assert on("audit", "history", "two").err == "Audit two not found\n"


def test_an_object_is_shown_with_its_last_transition(rows, on, moved):
    shown = rows("audit", "show", moved)["last_transition"]
    assert (shown["seq"], shown["to_state"]) == (3, "CANCELLED")
    assert shown["object_uuid"] == rows("audit", "show", moved)["uuid"]
    text = on("audit", "show", moved, "-f", "value", "-c", "last_transition").out
    assert text.startswith("ONGOING -> CANCELLED (save) at 20")
    assert text.endswith("reason: host-7 is drained\n")


def test_an_object_without_states_has_no_history(rows, on):
    assert "last_transition" not in rows("goal", "show", "cool")
    assert on("goal", "history", "cool").code == 2


def test_foreign_writers_can_be_watched(on):
    for switch in ("on", "on", "off", "off"):
        assert on("db", "watch-foreign", switch) == (0, "", "")
    assert on("db", "watch-foreign", "maybe").code == 2
