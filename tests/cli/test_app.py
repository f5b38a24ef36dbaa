# SPDX-License-Identifier: Apache-2.0
"""The application, and the commands that are about no object."""

import contextlib
import json
import logging
import re
import sqlite3
import subprocess
import sys

import pytest
from cliff.display import DisplayCommandBase
from cliff.lister import Lister

from tests import fingerprints
from tests.cli.conftest import one_line
from tests.population import FOREIGN_HEAD, HEAD
from tests.servers import CANARY, UNREACHABLE
from watcher_objects import Audit, db, exception, versions
from watcher_objects.cli import columns
from watcher_objects.cli.app import COMMANDS, WatcherObjects, discreet

UNUSABLE = (
    f"oracle://u:{CANARY}@127.0.0.1:1/x",
    f"postgresql://u:{CANARY}@127.0.0.1:port/x",
    f"postgresql://u:an@{CANARY}@127.0.0.1:1/x",
    f"postgresql://u:1/{CANARY}@127.0.0.1:1/x",
)


# --- the application ------------------------------------------------------------------------


def test_help_names_every_command_and_what_it_does(run):
    result = run("--help")
    assert not result.code
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\S", result.out, flags=re.M)


def without_help(parser):
    """Return the options and arguments of a parser that nothing is said about."""
    return [a.option_strings or a.dest for a in parser._actions if not a.help]


def test_every_option_of_every_command_says_what_it_is():
    app = WatcherObjects()
    silent = {"": without_help(app.parser)}
    for name, command in COMMANDS.items():
        silent[name] = without_help(command(app, None, cmd_name=name).get_parser(name))
    assert {name: options for name, options in silent.items() if options} == {}


def test_the_help_of_every_command_needs_no_database(run, home):
    for name in COMMANDS:
        result = run(*name.split(), "--help")
        assert (result.code or 0, result.err) == (0, "")
        assert f"usage: watcher-objects {name} " in result.out
    assert not home.exists()


def test_no_option_of_a_command_is_taken_for_one_of_the_application():
    app = WatcherObjects()
    taken = [option for action in app.parser._actions for option in action.option_strings]
    for name, command in COMMANDS.items():
        for action in command(app, None, cmd_name=name).get_parser(name)._actions:
            for option in set(action.option_strings) - {"-h", "--help"}:
                assert not [one for one in taken if one.startswith(option)], (name, option)


def test_complete_prints_a_script_that_knows_every_command(run):
    script = run("complete").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True)  # noqa: S607
    for name in COMMANDS:
        first, *rest = name.split()
        line = re.search(rf"^  cmds_{first}='(.*)'$", script, flags=re.M).group(1)
        assert set(rest) <= set(line.split())


def test_help_after_a_command_is_the_commands(run):
    result = run("audit", "list", "--help")
    assert not result.code
    assert "--sort-key" in result.out
    assert result == run("help", "audit", "list")
    # No command at all shows the help, and fails.
    assert run().code == 1
    assert "audit list" in run().out


def test_a_command_releases_the_database_and_the_log(on):
    before = list(logging.getLogger().handlers), logging.getLogger().level
    on("audit", "list")
    with pytest.raises(exception.DatabaseNotConfigured):
        db.get_engine()
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == before


def test_a_traceback_is_for_those_who_ask(on, filled):
    assert one_line(on("audit", "show", "nobody")) == "Audit nobody not found"
    assert "Traceback" in on("--debug", "audit", "show", "nobody").err
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON audits BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    start = "audit", "start", "one", "-f", "value"
    result = on(*start)
    assert (result.code, result.out.strip()) == (1, "")
    (line,) = result.err.splitlines()
    assert line.startswith("Database error: ")
    assert "Traceback" in on("-v", *start).err


#: The required arguments of commands.
NEEDED = {
    **{f"audit {verb}": ["one"] for verb in ("cancel", "delete", "resume", "start", "suspend")},
    **{name: ["1"] for name in COMMANDS if name.endswith(" show")},
    **{f"{word} history": ["1"] for word in ("audit", "actionplan", "action")},
    "audit create": ["--goal", "cool"],
    "db purge": ["--older-than", "1"],
}
PRINTERS = [name for name, command in COMMANDS.items() if issubclass(command, columns.Columns)]


@pytest.mark.parametrize("name", PRINTERS)
def test_an_unknown_column_is_rejected_before_anything_is_done(run, home, name):
    words = [*name.split(), *NEEDED.get(name, [])]
    (known, *_) = known_columns(name, words)
    options = ["--sort-column", "-c"] if issubclass(COMMANDS[name], Lister) else ["-c"]
    for option in options:
        result = run(*words, "-c", known, option, "colour")
        assert (result.code, result.out) == (2, "")
        (line,) = result.err.splitlines()
        assert line.startswith(f"Unknown column colour; expected {known}")
    assert not home.exists()


def known_columns(name, words):
    app = WatcherObjects()
    command = COMMANDS[name](app, None, cmd_name=name)
    return command.columns(command.get_parser(name).parse_args(words[len(name.split()) :]))


def test_every_command_that_prints_columns_knows_them():
    printing = [n for n, command in COMMANDS.items() if issubclass(command, DisplayCommandBase)]
    assert printing == PRINTERS


def test_an_argument_is_text_in_utf_8(on):
    assert json.loads(on("audit", "list", "--name", "\udcc3\udcbc", "-f", "json").out) == []
    for word in ("Z\udcfcrich", "sqlite:///\udcff", f"postgresql://u:{CANARY}\udcff@h/x"):
        result = on("audit", "show", word)
        assert (result.code, result.out) == (2, "")
        (line,) = result.err.splitlines()
        assert line.endswith("is not UTF-8; encode it as UTF-8")
        assert CANARY not in line


# --- passwords ------------------------------------------------------------------------------


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


def test_upgrade_prints_both_revisions(run, empty):
    words = "--database", f"sqlite:///{empty}", "db", "upgrade"
    first, second = run(*words), run(*words)
    assert (first.code, second.code, first.err + second.err) == (0, 0, "")
    newest = first.out.removeprefix("no tables -> ").strip()
    assert second.out == f"{newest} -> {newest} (nothing to do)\n"


def test_version_prints_the_revision_and_the_newest(on, run, empty):
    reported = json.loads(on("db", "version", "-f", "json").out)
    assert reported["revision"] == reported["newest"] is not None
    empty.write_text("")
    result = run("--database", f"sqlite:///{empty}", "db", "version", "-f", "json")
    assert json.loads(result.out)["revision"] is None


#: A file's statements, or its text, or None for no file; the commands that refuse it, and why.
REFUSED = {
    "no file": (None, ["audit list", "audit show 1", "db version"], "db upgrade"),
    "no database": (
        "Dear diary, today I audited the whole cluster.",
        ["audit list", "db version", "db upgrade"],
        "is not an SQLite database",
    ),
    "no tables of ours": (["CREATE TABLE recipes (name)"], ["audit list"], "db upgrade"),
    "an unknown revision": (
        [
            "CREATE TABLE alembic_version (version_num)",
            "INSERT INTO alembic_version VALUES ('theirs')",
        ],
        ["audit list", "db upgrade"],
        "theirs",
    ),
    "a revision that is asked for": ("", ["db upgrade --revision nonsense"], "nonsense"),
}


@pytest.mark.parametrize(("content", "commands", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_database_that_can_not_be_used_is_refused(run, empty, content, commands, expected):
    if isinstance(content, str):
        empty.write_text(content)
    elif content:
        with contextlib.closing(sqlite3.connect(empty)) as connection, connection:
            for statement in content:
                connection.execute(statement)
    for command in commands:
        line = one_line(run("--database", f"sqlite:///{empty}", *command.split()))
        assert expected in line
    assert empty.exists() is (content is not None)
    if expected == "is not an SQLite database":
        assert empty.read_text() == content


# --- other processes ------------------------------------------------------------------------


def python(*words):
    return subprocess.run(  # noqa: S603 - the words are these tests' own
        [sys.executable, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_runs_as_a_process_of_its_own(filled):
    words = "--database", f"sqlite:///{filled}", "audit", "list", "-f", "json"
    done = python("-m", "watcher_objects.cli.app", *words)
    assert (done.returncode, done.stderr, len(json.loads(done.stdout))) == (0, "", 4)


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


def test_a_schema_goes_down_and_up_and_says_so(on):
    down = on("db", "downgrade", "--revision", FOREIGN_HEAD)
    assert (down.code, down.out) == (0, f"{HEAD} -> {FOREIGN_HEAD}\n")
    planned = on("db", "upgrade", "--dry-run")
    revisions = [line.split()[0] for line in planned.out.splitlines()]
    assert (revisions[0], revisions[-1]) == ("0001_repair_schema", HEAD)
    written = on("db", "upgrade", "--sql")
    assert "CREATE INDEX ix_audits_state" in written.out
    assert on("db", "version", "-f", "value").out.startswith(FOREIGN_HEAD)
    assert on("db", "upgrade").code == 0


def test_a_downgrade_needs_a_target(on):
    assert on("db", "downgrade").code == 2


def test_check_prints_nothing_where_nothing_is_wrong(on, filled):
    assert on("db", "check") == (0, "", "")
    assert on("db", "check", "-f", "json").out == "[]\n"


def test_check_of_a_database_with_others_tables_passes(on, filled):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    assert on("db", "check") == (0, "", "")
    assert "recipes" in on("-v", "db", "check").out
    found = on("db", "check", "-f", "json")
    assert (found.code, json.loads(found.out)[0]["severity"]) == (0, "none")


def test_check_exits_with_what_is_needed(on, filled):
    on("db", "downgrade", "--revision", "-2")
    found = on("db", "check", "-f", "json")
    assert found.code == 1
    assert json.loads(found.out)[0]["severity"] == "upgrade"
    on("db", "upgrade")
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("DROP INDEX ix_audits_state")
    assert on("db", "check").code == 2


def test_history_lists_all_revisions(on):
    listed = json.loads(on("db", "history", "-f", "json").out)
    assert (listed[0]["revision"], listed[-1]["revision"]) == ("001", HEAD)
    assert len(listed) >= 15


def test_versions_lists_the_objects_as_a_release_has_them(run):
    listed = json.loads(run("versions", "--release", "pike", "-f", "json").out)
    audit = next(row for row in listed if row["object"] == "Audit")
    assert audit == {
        "object": "Audit",
        "version": Audit.VERSION,
        "fingerprint": fingerprints.known()["Audit"].partition("-")[2],
        "sent at pike": "1.3",
    }
    old = json.loads(run("versions", "--release", "ocata", "-f", "json").out)
    unknown = {row["object"] for row in old if row["sent at ocata"] == "not sent"}
    assert "ActionDescription" in unknown
    assert unknown == {row["object"] for row in old} - versions.manifest("ocata").keys()
