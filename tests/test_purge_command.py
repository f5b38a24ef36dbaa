# SPDX-License-Identifier: Apache-2.0
"""The command ``db purge``, on SQLite files."""

import datetime
import json
import shutil
import signal
import sys

import pytest
from oslo_utils import timeutils

from tests import test_purge as rows
from tests.clock import standing_at
from watcher_objects import db, idempotency
from watcher_objects.cli.app import main
from watcher_objects.testing.database import upgraded


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A file with 12 rows that were soft-deleted 40 days ago, of which one is kept."""
    path = tmp_path_factory.mktemp("filled") / "audits.sqlite"
    db.configure(upgraded(f"sqlite:///{path}"))
    rows.put("goals", (1, 40))
    rows.put("strategies", (1, None))
    rows.put("audits", *((n, 40) for n in range(1, 12)))
    db.dispose()
    return path


@pytest.fixture
def purged(filled, tmp_path, capsys):
    """Purge, and return the exit code, the rows of the table that have found some, and stderr."""

    path = shutil.copy(filled, tmp_path)

    def purged(*options):
        words = ("--older-than", "30", "-f", "json", *options)
        code = main(["--database", f"sqlite:///{path}", "db", "purge", *words])
        printed = capsys.readouterr()
        table = json.loads(printed.out) if printed.out else []
        return code, {row.pop("type"): row for row in table if row["found"]}, printed.err

    return purged


AUDITS = {"found": 11, "removed": 11, "kept": 0}
DONE = {"audits": AUDITS, "goals": {"found": 1, "removed": 0, "kept": 1}}
PLANNED = {
    name: {**row, "removed": 0, "would remove": row["removed"]} for name, row in DONE.items()
}


def test_without_a_terminal_nobody_is_asked(purged):
    assert purged() == (0, DONE, "")
    assert purged() == (0, {"goals": DONE["goals"]}, "")


def test_a_dry_run_reports_what_would_be_removed_and_removes_nothing(purged):
    for _ in range(2):
        assert purged("--dry-run") == (0, PLANNED, "")


@pytest.mark.parametrize(
    ("typed", "code", "table"),
    [
        ("y\n", 0, DONE),
        ("Yes\n", 0, DONE),
        ("n\n", 3, PLANNED),
        ("\n", 3, PLANNED),
        ("\4", 3, PLANNED),
    ],
)
def test_on_a_terminal_yes_has_to_be_said(purged, terminal, monkeypatch, typed, code, table):
    with terminal.typed(typed) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert purged() == (code, table, "Remove 11 rows? [y/N] ")


def test_on_a_terminal_nobody_is_asked_who_said_yes_or_has_nothing_to_remove(
    purged, terminal, monkeypatch
):
    with terminal.typed("n\n") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert purged("--yes") == (0, DONE, "")
        assert purged() == (0, {"goals": DONE["goals"]}, "")


def test_a_process_without_a_stdin_is_not_asked(purged, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert purged()[0] == 0


@pytest.fixture
def interrupt(listen):
    """Press Ctrl-C so many times while the first rows are removed."""
    left = []

    def note(connection, cursor, statement, *rest):
        while statement.startswith("DELETE") and left:
            left.pop()
            signal.raise_signal(signal.SIGINT)

    listen(note)
    # A shell may have it ignored in what it runs in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda times: left.extend(range(times))
    signal.signal(signal.SIGINT, before)


def test_after_ctrl_c_the_batch_in_hand_is_finished_and_the_rest_is_left(purged, interrupt):
    interrupt(1)
    code, table, err = purged("--batch", "4")
    assert (code, table) == (130, {"audits": {"found": 4, "removed": 4, "kept": 0}})
    assert "run it again" in err
    assert purged()[1]["audits"]["removed"] == 7


def test_a_second_ctrl_c_ends_it_at_once(purged, interrupt):
    interrupt(2)
    assert purged()[:2] == (130, {})
    assert purged() == (0, DONE, "")


def test_who_presses_ctrl_c_later_ends_what_is_later(purged):
    before = signal.getsignal(signal.SIGINT)
    purged()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("options", "audits"),
    [
        (("--type", "goals"), 0),
        (("--type", "audits", "--type", "services"), 11),
        (("--state", "failed"), 0),
        (("--goal", "caf\u00e9 \N{GRINNING FACE} 1"), 11),
    ],
)
def test_options_narrow_what_goes(purged, options, audits):
    code, table, _ = purged(*options)
    assert (code, table.get("audits", {"removed": 0})["removed"]) == (0, audits)


@pytest.mark.parametrize(
    "options", [("--older-than", "nan"), ("--batch", "0"), ("--rate", "0.5"), ("--goal", "none")]
)
def test_what_can_not_be_is_one_line_and_an_error_before_anything_goes(purged, options):
    code, table, err = purged(*options)
    assert (code, table, err.count("\n")) == (1, {}, 1)
    assert purged() == (0, DONE, "")


@pytest.mark.parametrize("option", ["--older-than", "--batch", "--rate"])
def test_an_invalid_number_is_reported_with_its_option(purged, capsys, option):
    with pytest.raises(SystemExit, match="2"):
        purged(option, "soon")
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: invalid" in last
    assert "'soon'" in last


def test_keys_are_removed_on_request(tmp_path, capsys):
    path = tmp_path / "audits.sqlite"
    db.configure(upgraded(f"sqlite:///{path}"))
    for age, key in ((40, "old"), (20, "new")):
        day = timeutils.utcnow() - datetime.timedelta(days=age)
        with standing_at(day), idempotency.once(key):
            pass
    db.dispose()

    def purge(*options):
        words = ("--older-than", "30", "-f", "json", *options)
        assert main(["--database", f"sqlite:///{path}", "db", "purge", *words]) == 0
        table = json.loads(capsys.readouterr().out)
        return [row["removed"] for row in table if row["type"] == "rpc_requests" and row["found"]]

    assert [purge(), purge("--keys", "--dry-run"), purge("--keys"), purge("--keys")] == [
        [],
        [0],
        [1],
        [],
    ]
