# SPDX-License-Identifier: Apache-2.0
"""The command line, on SQLite files."""

import contextlib
import json
import logging
import sqlite3
import subprocess
import sys
from typing import NamedTuple

import pytest
from oslo_context.context import RequestContext

from tests.servers import CANARY, UNREACHABLE
from watcher_objects import Audit, Goal, Strategy, db, exception
from watcher_objects.audit import State
from watcher_objects.cli.app import discreet, main
from watcher_objects.db import migration

UNUSABLE = (
    f"oracle://u:{CANARY}@127.0.0.1:1/x",
    f"postgresql://u:{CANARY}@127.0.0.1:port/x",
    f"postgresql://u:an@{CANARY}@127.0.0.1:1/x",
    f"postgresql://u:1/{CANARY}@127.0.0.1:1/x",
)


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def no_database_named(monkeypatch):
    monkeypatch.delenv("WATCHER_OBJECTS_DATABASE", raising=False)


@pytest.fixture
def run(capsys):
    """Run the command line in this process."""

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def empty(tmp_path):
    """A place for a database file."""
    return tmp_path / "audits.sqlite"


@pytest.fixture
def filled(empty):
    """A database file with audits one to five; five is deleted."""
    db.configure(f"sqlite:///{empty}")
    migration.upgrade()
    context = RequestContext()
    for name in ("cool", "level"):
        goal = Goal(context, name=name, display_name=name, efficacy_specification=[])
        goal.create()
    strategy = Strategy(context, name="spread", display_name="Spread", goal_id=goal.id)
    strategy.create()
    for number, name in enumerate(("one", "two", "three", "four", "five")):
        audit = Audit(context, name=name, audit_type="ONESHOT", goal_id=1 + number % 2)
        if number == 1:
            audit.strategy_id = strategy.id
            audit.parameters, audit.scope = {"limit": 0.5}, [{"compute": []}]
        audit.create()
    audit.state = State.CANCELLED
    audit.save()
    audit.soft_delete()
    db.dispose()
    return empty


@pytest.fixture
def listed(run, filled):
    """List audits of the filled database, and return their names."""

    def listed(*options):
        return run("--database", f"sqlite:///{filled}", "audit", "list", *options, "-f", "json")

    def names(*options):
        result = listed(*options)
        assert (result.code, result.err) == (0, "")
        return [row["name"] for row in json.loads(result.out)]

    return names


@pytest.fixture
def shown(run, filled):
    """Show one audit of the filled database."""

    def shown(*words):
        return run("--database", f"sqlite:///{filled}", "audit", "show", *words)

    return shown


def one_line(result):
    """Return the one line that a failed command wrote, to stderr."""
    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    return line


# --- the application ------------------------------------------------------------------------


def test_help_names_every_command(run):
    result = run("--help")
    assert not result.code
    for command in ("demo", "db upgrade", "db version", "audit list", "audit show"):
        assert f"  {command} " in result.out


def test_help_behind_a_command_is_the_commands(run):
    result = run("audit", "list", "--help")
    assert not result.code
    assert "--sort-key" in result.out
    assert result == run("help", "audit", "list")


def test_no_command_at_all_shows_the_help_and_fails(run):
    result = run()
    assert result.code == 1
    assert "audit list" in result.out


def test_without_a_database_both_ways_to_name_one_are_told(run):
    line = one_line(run("audit", "list"))
    assert "--database" in line
    assert "WATCHER_OBJECTS_DATABASE" in line


def test_the_environment_names_a_database(run, filled, monkeypatch):
    monkeypatch.setenv("WATCHER_OBJECTS_DATABASE", f"sqlite:///{filled}")
    assert run("audit", "list").code == 0


def test_the_option_goes_before_the_environment(run, filled, monkeypatch):
    monkeypatch.setenv("WATCHER_OBJECTS_DATABASE", "sqlite:////nowhere/at/all")
    assert run("--database", f"sqlite:///{filled}", "audit", "list").code == 0


def test_a_command_lets_the_database_and_the_log_go(run, filled):
    before = list(logging.getLogger().handlers), logging.getLogger().level
    run("--database", f"sqlite:///{filled}", "audit", "list")
    with pytest.raises(exception.DatabaseNotConfigured):
        db.get_engine()
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == before


def test_an_error_of_the_library_shows_its_traceback_with_debug_only(run, filled):
    words = "--database", f"sqlite:///{filled}", "audit", "show", "nobody"
    assert one_line(run(*words)) == "There is no audit nobody"
    assert "Traceback" in run("--debug", *words).err


def test_what_a_terminal_would_obey_is_shown_and_not_sent(run, filled):
    db.configure(f"sqlite:///{filled}")
    audit = Audit.get_by_name(RequestContext(), "one")
    audit.status_message = "\x1b[31mred\u202e"
    audit.save()
    for form in ("table", "value"):
        out = run("--database", f"sqlite:///{filled}", "audit", "show", "one", "-f", form).out
        assert "\x1b" not in out
        assert "\\x1b[31mred\\u202e" in out


# --- passwords ------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [*UNREACHABLE, *UNUSABLE])
@pytest.mark.parametrize("command", [("audit", "list"), ("db", "upgrade"), ("db", "version")])
def test_a_password_is_not_in_the_error(run, url, command):
    assert CANARY not in one_line(run("--database", url, *command))


@pytest.mark.parametrize("url", [*UNREACHABLE, *UNUSABLE])
def test_a_password_is_not_in_tracebacks_nor_in_logs(run, url, tmp_path):
    log = tmp_path / "log"
    result = run("--debug", "-vvv", "--log-file", log, "--database", url, "audit", "list")
    assert (result.code, result.out) == (1, "")
    assert "Traceback" in result.err
    assert CANARY not in result.err + log.read_text()


@pytest.mark.parametrize(
    "words",
    [
        (UNREACHABLE[0],),
        ("audit", "list", UNREACHABLE[0]),
        ("audit", "list", f"--limit={UNREACHABLE[0]}"),
        ("--databaze", UNREACHABLE[2], "audit", "list"),
    ],
)
def test_a_url_in_the_wrong_place_is_refused_unseen(run, words):
    assert "--database" in one_line(run(*words))
    assert CANARY not in run("--debug", *words).err


def test_text_without_a_password_stays_as_it_is():
    for text in ("at sqlite:////a/b", "postgresql://u@h/x?a=b", "a@b: c", "10:30 at http://h:1/"):
        assert discreet(text) == text


# --- db upgrade, db version -----------------------------------------------------------------


def test_upgrade_tells_from_where_to_where(run, empty):
    words = "--database", f"sqlite:///{empty}", "db", "upgrade"
    first, second = run(*words), run(*words)
    assert (first.code, second.code, first.err + second.err) == (0, 0, "")
    newest = first.out.removeprefix("no tables -> ").strip()
    assert second.out == f"{newest} -> {newest} (nothing to do)\n"


def test_an_unknown_revision_is_refused(run, empty):
    words = "--database", f"sqlite:///{empty}", "db", "upgrade", "--revision", "nonsense"
    assert "nonsense" in one_line(run(*words))


def test_version_tells_the_revision_and_the_newest(run, filled):
    result = run("--database", f"sqlite:///{filled}", "db", "version", "-f", "json")
    told = json.loads(result.out)
    assert told["revision"] == told["newest"] is not None


def test_version_of_a_database_without_tables_is_none(run, empty):
    empty.touch()
    result = run("--database", f"sqlite:///{empty}", "db", "version", "-f", "json")
    assert json.loads(result.out)["revision"] is None


@pytest.mark.parametrize("command", ["audit list", "audit show 1", "db version"])
def test_a_missing_file_is_refused_and_not_made(run, empty, command):
    assert "db upgrade" in one_line(run("--database", f"sqlite:///{empty}", *command.split()))
    assert not empty.exists()


@pytest.mark.parametrize("command", ["audit list", "audit show 1", "db version", "db upgrade"])
def test_a_file_that_is_no_database_is_refused(run, empty, command):
    empty.write_text("Dear diary, today I audited the whole cluster.")
    before = empty.read_bytes()
    line = one_line(run("--database", f"sqlite:///{empty}", *command.split()))
    assert line == f"{empty} is no SQLite database"
    assert empty.read_bytes() == before


@pytest.mark.parametrize("command", ["audit list", "audit show 1"])
def test_a_database_without_our_tables_is_refused(run, empty, command):
    with contextlib.closing(sqlite3.connect(empty)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    assert "db upgrade" in one_line(run("--database", f"sqlite:///{empty}", *command.split()))


@pytest.mark.parametrize("command", ["audit list", "audit show 1", "db upgrade"])
def test_a_database_of_an_unknown_revision_is_refused(run, empty, command):
    with contextlib.closing(sqlite3.connect(empty)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('theirs')")
        connection.commit()
    assert "theirs" in one_line(run("--database", f"sqlite:///{empty}", *command.split()))


# --- audit list -----------------------------------------------------------------------------


def test_list_shows_goals_and_strategies_by_name(run, filled):
    result = run("--database", f"sqlite:///{filled}", "audit", "list", "-f", "json")
    one, two, *_ = json.loads(result.out)
    assert list(one) == ["uuid", "name", "audit_type", "state", "goal", "strategy", "updated_at"]
    assert (one["goal"], one["strategy"], one["state"]) == ("cool", None, "PENDING")
    assert (two["goal"], two["strategy"], two["updated_at"]) == ("level", "spread", None)


@pytest.mark.parametrize("form", ["table", "json", "yaml", "csv", "value"])
def test_list_comes_in_every_format(run, filled, form):
    result = run("--database", f"sqlite:///{filled}", "audit", "list", "--deleted", "-f", form)
    assert (result.code, result.err) == (0, "")
    assert "CANCELLED" not in result.out
    assert all(name in result.out for name in ("one", "five", "spread", "DELETED"))


def test_list_leaves_deleted_audits_out_until_asked(listed):
    assert listed() == ["one", "two", "three", "four"]
    assert listed("--deleted") == ["one", "two", "three", "four", "five"]
    assert listed("--state", "deleted") == ["five"]


def test_list_comes_in_pages(listed, shown):
    assert listed("--limit", "2") == ["one", "two"]
    uuid = json.loads(shown("two", "-f", "json").out)["uuid"]
    assert listed("--limit", "2", "--marker", uuid) == ["three", "four"]
    assert listed("--marker", "3") == ["four"]


def test_list_is_sorted_as_asked(listed):
    assert listed("--sort-key", "name") == ["four", "one", "three", "two"]
    assert listed("--sort-key", "name", "--sort-dir", "desc") == ["two", "three", "one", "four"]


def test_list_is_narrowed_by_state(listed):
    assert listed("--state", "PENDING") == ["one", "two", "three", "four"]
    assert listed("--state", "FAILED") == []


def test_list_is_narrowed_by_a_goals_name_or_uuid(listed, filled):
    assert listed("--goal", "level") == ["two", "four"]
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        ((uuid,),) = connection.execute("SELECT uuid FROM goals WHERE name = 'cool'").fetchall()
    assert listed("--goal", uuid.upper()) == ["one", "three"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--limit", "-1"),
        ("--marker", "nobody"),
        ("--marker", "99"),
        ("--sort-key", "colour"),
        ("--goal", "wealth"),
    ],
)
def test_list_refuses_what_it_does_not_know(run, filled, option, value):
    words = "--database", f"sqlite:///{filled}", "audit", "list", option, value
    assert one_line(run(*words))


@pytest.mark.parametrize("options", [("--state", "TIRED"), ("--limit", "few")])
def test_list_refuses_values_that_an_option_has_not(run, filled, options):
    result = run("--database", f"sqlite:///{filled}", "audit", "list", *options)
    assert result.code == 2
    assert options[1] in result.err


# --- audit show -----------------------------------------------------------------------------


def test_show_finds_by_id_by_uuid_and_by_name(shown):
    by_name = shown("two", "-f", "json")
    uuid = json.loads(by_name.out)["uuid"]
    assert (by_name.code, by_name.err) == (0, "")
    assert by_name == shown("2", "-f", "json") == shown(uuid, "-f", "json")


def test_show_finds_a_name_that_looks_like_an_id(shown, filled):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("UPDATE audits SET name = '2026' WHERE name = 'two'")
        connection.commit()
    assert json.loads(shown("2026", "-f", "json").out)["id"] == 2


def test_show_has_every_field_and_documents_as_json(shown):
    told = json.loads(shown("two", "-f", "json").out)
    assert told.keys() == Audit.fields.keys()
    assert (told["parameters"], told["scope"]) == ({"limit": 0.5}, [{"compute": []}])
    for form in ("table", "value"):
        assert '{"limit": 0.5}' in shown("two", "-f", form).out


def test_show_finds_deleted_audits_only_when_asked(shown):
    assert one_line(shown("five")) == "There is no audit five"
    assert json.loads(shown("five", "--deleted", "-f", "json").out)["state"] == "DELETED"


# --- other processes ------------------------------------------------------------------------


def python(*words):
    return subprocess.run(  # noqa: S603 - the words are these tests' own
        [sys.executable, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_runs_as_a_process_of_its_own(filled):
    words = "--database", f"sqlite:///{filled}", "audit", "list", "-f", "json"
    done = python("-m", "watcher_objects.cli.app", *words)
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 4)


def test_no_warning_of_others_is_shown():
    assert python("-m", "watcher_objects.cli.app", "complete").stderr == ""


WITHOUT_CLIFF = """
import sys

class Absent:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] == "cliff":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from watcher_objects.cli.app import main
"""


def test_without_cliff_one_line_says_how_to_get_it():
    done = python("-W", "ignore", "-c", WITHOUT_CLIFF)
    assert done.returncode == 1
    assert done.stderr == "The command line needs cliff: pip install 'watcher-objects[cli]'\n"


def test_states_draws_the_life_cycles_of_both_profiles(run):
    both = run("states")
    assert both.code == 0
    assert all(line in both.out for line in ("Audit\n", "Action plan\n", "Action\n"))
    assert "PENDING   ──┬──▶ ONGOING" in both.out
    assert "══▶ CANCELLING" in both.out
    strict = run("states", "--profile", "strict")
    assert "══▶" not in strict.out
    assert "CANCELLING (not entered)" in strict.out


def test_a_schema_goes_down_and_up_and_says_so(run, filled):
    down = run(
        "--database", f"sqlite:///{filled}", "db", "downgrade", "--revision", "f56ba02662b4"
    )
    assert (down.code, down.out) == (0, "0003_create_rpc_requests -> f56ba02662b4\n")
    planned = run("--database", f"sqlite:///{filled}", "db", "upgrade", "--dry-run")
    assert [line.split()[0] for line in planned.out.splitlines()] == [
        "0001_repair_schema",
        "0002_add_indexes",
        "0003_create_rpc_requests",
    ]
    written = run("--database", f"sqlite:///{filled}", "db", "upgrade", "--sql")
    assert "CREATE INDEX ix_audits_state" in written.out
    assert run("--database", f"sqlite:///{filled}", "db", "version", "-f", "value").out.startswith(
        "f56ba02662b4"
    )
    assert run("--database", f"sqlite:///{filled}", "db", "upgrade").code == 0


def test_a_downgrade_must_be_told_how_far(run, filled):
    assert run("--database", f"sqlite:///{filled}", "db", "downgrade").code == 2


def test_check_exits_with_what_is_needed(run, filled):
    assert run("--database", f"sqlite:///{filled}", "db", "check").code == 0
    run("--database", f"sqlite:///{filled}", "db", "downgrade", "--revision", "-2")
    found = run("--database", f"sqlite:///{filled}", "db", "check", "-f", "json")
    assert found.code == 1
    assert json.loads(found.out)[0]["need"] == "upgrade"
    run("--database", f"sqlite:///{filled}", "db", "upgrade")
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("DROP INDEX ix_audits_state")
    assert run("--database", f"sqlite:///{filled}", "db", "check").code == 2


def test_history_lists_all_revisions(run, filled):
    listed = json.loads(
        run("--database", f"sqlite:///{filled}", "db", "history", "-f", "json").out
    )
    assert (listed[0]["revision"], listed[-1]["revision"]) == ("001", "0003_create_rpc_requests")
    assert len(listed) == 15


def test_versions_lists_the_objects_as_a_release_has_them(run):
    listed = json.loads(run("versions", "--release", "pike", "-f", "json").out)
    audit = next(row for row in listed if row["object"] == "Audit")
    assert audit == {
        "object": "Audit",
        "version": "1.8",
        "fingerprint": "9cadb11a1fbe7200fb32891b37672a62",
        "sent at pike": "1.3",
    }
    old = json.loads(run("versions", "--release", "ocata", "-f", "json").out)
    assert {row["object"] for row in old if row["sent at ocata"] == "not sent"} == {
        "ActionDescription"
    }
