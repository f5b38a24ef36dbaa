# SPDX-License-Identifier: Apache-2.0
"""The demo: the rows it creates, the files it keeps, and the log that it prints."""

import contextlib
import io
import json
import shlex
import shutil
import sqlite3
from collections import defaultdict

import pytest

from watcher_objects.audit import AuditStateTransitionManager
from watcher_objects.cli.app import main

STEP, AUDIT, WHO, WHAT, FROM, TO, OUTCOME = range(7)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The file of a demo that no test changes, and what the demo printed."""
    place = tmp_path_factory.mktemp("demo") / "a demo, of 'mine'.sqlite"
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["demo", str(place)]) == 0
    assert err.getvalue() == ""
    return place, out.getvalue()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "demo.sqlite"


@pytest.fixture
def story(demo):
    return read(demo[1])


def read(output):
    """Return the steps of the demo's first table, each a list of its cells."""
    steps = []
    for line in output.split("The audits that are not deleted")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and cells[STEP].isdigit():
            steps.append(cells)
        elif cells and steps:
            steps[-1] = [f"{a} {b}".strip() for a, b in zip(steps[-1], cells, strict=True)]
    return steps


def audits(place, capsys, *options):
    """Return what the database holds: name -> row of ``audit list``."""
    url = f"sqlite:///{place}"
    assert main(["--database", url, "audit", "list", "-f", "json", *options]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def cells(place, query):
    with contextlib.closing(sqlite3.connect(place)) as connection:
        return [value for (value,) in connection.execute(query)]


# --- the story ------------------------------------------------------------------------------


def test_the_story_ends_with_what_the_database_holds(story, demo, capsys):
    expected = {step[AUDIT]: step[TO] for step in story if step[TO]}
    stored = audits(demo[0], capsys, "--deleted")
    assert expected == {name: row["state"] for name, row in stored.items()}


def test_the_story_of_each_audit_is_a_chain(story):
    chains = defaultdict(list)
    for step in story:
        if step[TO]:
            chains[step[AUDIT]].append(step)
    for chain in chains.values():
        assert chain[0][FROM] == ""
        assert [step[FROM] for step in chain[1:]] == [step[TO] for step in chain[:-1]]


def test_another_engine_takes_over_from_the_one_that_was_killed(story, demo):
    created, claim, kill, takeover, finish, *_ = story
    assert {step[AUDIT] for step in (created, claim, kill, takeover, finish)} == {"pack-rack-7"}
    assert (claim[FROM], claim[TO]) == ("PENDING", "ONGOING")
    assert kill[WHAT] == f"kill the process of {claim[WHO]}"
    assert {claim[WHO], takeover[WHO]} == {"engine-1", "engine-2"}
    assert (takeover[FROM], takeover[TO]) == ("ONGOING", "ONGOING")
    assert (finish[WHO], finish[TO]) == (takeover[WHO], "SUCCEEDED")
    for step in (created, claim, takeover, finish):
        assert step[OUTCOME] == f"recorded as {step[WHAT].split(',')[0]}"
    (dead,) = cells(demo[0], "SELECT program FROM workers")
    assert dead == "demo_engine.py"


def test_the_story_shows_every_kind_of_life(story, demo, capsys):
    moves = {(step[FROM], step[TO]) for step in story if step[OUTCOME].startswith("recorded")}
    assert {("ONGOING", "SUSPENDED"), ("SUSPENDED", "ONGOING")} <= moves
    assert {("ONGOING", "FAILED"), ("PENDING", "CANCELLED"), ("SUCCEEDED", "DELETED")} <= moves
    kinds = {row["audit_type"] for row in audits(demo[0], capsys).values()}
    assert kinds == {"ONESHOT", "CONTINUOUS", "EVENT"}


def test_an_event_audit_is_triggered_again_and_a_oneshot_is_not(story):
    again = {step[AUDIT]: step for step in story if step[WHAT] == "trigger again"}
    assert again["host-down"][TO] == "ONGOING"
    assert again["try-basic"][OUTCOME].startswith("InvalidStateTransition: ")


def test_nothing_in_the_story_is_written_beforehand(place, capsys, monkeypatch):
    monkeypatch.setattr(AuditStateTransitionManager, "CONDITIONAL_MOVES", ())
    assert main(["demo", str(place)]) == 0
    again = {step[AUDIT]: step for step in read(capsys.readouterr().out)}
    assert again["host-down"][TO] == "SUCCEEDED"
    assert again["host-down"][OUTCOME].startswith("InvalidStateTransition: ")


def test_the_deleted_audit_is_not_listed(demo, capsys):
    place, output = demo
    listing = output.split("The audits that are not deleted")[1]
    assert "try-basic" not in listing
    assert all(row["uuid"] in listing for row in audits(place, capsys).values())
    assert audits(place, capsys, "--deleted")["try-basic"]["state"] == "DELETED"


def test_the_goals_and_strategies_are_watchers(demo):
    place, _ = demo
    assert cells(place, "SELECT name FROM goals ORDER BY id")[0] == "server_consolidation"
    assert cells(place, "SELECT count(*) FROM strategies") == [6]
    strategies = cells(place, "SELECT name FROM strategies WHERE goal_id = 1")
    assert {*strategies} == {"basic", "vm_workload_consolidation"}


# --- the file -------------------------------------------------------------------------------


def test_the_last_line_is_a_command_that_works(demo, capsys):
    place, output = demo
    assert str(place) in output.splitlines()[0]
    program, *words = shlex.split(output.splitlines()[-1].partition(": ")[2])
    assert program == "watcher-objects"
    assert main(words) == 0
    assert capsys.readouterr().out in output


def test_demo_is_made_here_by_default_whatever_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHER_OBJECTS_DATABASE", f"sqlite:///{tmp_path / 'real.sqlite'}")
    assert main(["demo"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["watcher-objects-demo.sqlite"]


@pytest.mark.parametrize("content", ["Dear diary", "", None], ids=["text", "empty", "database"])
@pytest.mark.parametrize("end", ["", "-wal", "-journal"])
def test_demo_refuses_a_file_that_is_not_its_own(tmp_path, capsys, content, end):
    there = tmp_path / f"demo.sqlite{end}"
    if content is None:
        with contextlib.closing(sqlite3.connect(there)) as connection:
            connection.execute("CREATE TABLE recipes (name)")
    else:
        there.write_text(content)
    before = there.read_bytes(), there.stat().st_mtime_ns
    assert main(["demo", str(tmp_path / "demo.sqlite")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(there) in line
    assert (there.read_bytes(), there.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [there]


def test_demo_replaces_its_own_file_and_what_belongs_to_it(demo, place, story, capsys):
    shutil.copy(demo[0], place)
    uuids = cells(place, "SELECT uuid FROM audits")
    for end in ("-wal", "-shm"):
        place.with_name(place.name + end).write_text("left over")
    assert main(["demo", str(place)]) == 0
    assert len(read(capsys.readouterr().out)) == len(story)
    assert set(uuids).isdisjoint(cells(place, "SELECT uuid FROM audits"))
    assert list(place.parent.iterdir()) == [place]


def test_demo_refuses_a_directory_and_the_database_of_the_option(place, tmp_path, capsys):
    assert main(["demo", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert main(["--database", f"sqlite:///{place}", "demo"]) == 1
    assert "PATH" in capsys.readouterr().err
    assert not place.exists()
