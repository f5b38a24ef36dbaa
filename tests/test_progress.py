# SPDX-License-Identifier: Apache-2.0
"""What the command line shows of long steps."""

import io
import sys

from tests.population import FOREIGN_HEAD, HEAD, filled
from watcher_objects import db
from watcher_objects.cli import progress
from watcher_objects.cli.app import main


def report(stream):
    with progress.Progress(stream) as progressed:
        for table in ("goals", "audits"):
            for done in (1000, 2000, 2500):
                progressed(table, done, 2500)


def test_a_terminal_shows_a_bar_for_each_table(terminal, monkeypatch):
    monkeypatch.setattr(progress, "LONG", 0)
    report(terminal.stream)
    lines = [line for line in terminal.shown().replace("\r", "\n").splitlines() if line]
    ends = [line for line in lines if "100%" in line]
    assert [line.split(":")[0] for line in ends] == ["goals", "audits"]
    assert all("2500/2500" in line and "row/s" in line for line in ends)


def test_a_short_step_is_not_shown(terminal):
    report(terminal.stream)
    assert terminal.shown() == ""
    report(stream := io.StringIO())
    assert stream.getvalue() == ""


def test_where_there_is_no_terminal_a_line_comes_now_and_then(monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    report(stream := io.StringIO())
    assert stream.getvalue() == "goals: 2500 of 2500 rows\naudits: 2500 of 2500 rows\n"


def test_an_upgrade_shows_its_progress(tmp_path, terminal, monkeypatch, capsys):
    url = f"sqlite:///{tmp_path / 'audits.sqlite'}"
    db.configure(url)
    filled()
    monkeypatch.setattr(progress, "LONG", 0)
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    assert main(["--database", url, "db", "upgrade"]) == 0
    assert "audits: 100%" in terminal.shown()
    assert capsys.readouterr().out == f"{FOREIGN_HEAD} -> {HEAD}\n"
