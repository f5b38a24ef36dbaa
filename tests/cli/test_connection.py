# SPDX-License-Identifier: Apache-2.0
"""Which database a command works on."""

import json
import stat
import subprocess
import sys

import pytest

from tests.cli.conftest import one_line
from tests.servers import CANARY
from watcher_objects.cli.connection import VARIABLE

NOWHERE = "sqlite:////nowhere/at/all"
WATCHERS = """
[DEFAULT]
transport_url = rabbit://watcher:secret@controller
control_exchange = watcher
[database]
connection = {url}
max_pool_size = 5
[keystone_authtoken]
password = secret
"""


@pytest.fixture
def configured(tmp_path):
    """Write a configuration file."""

    def configured(text, name="watcher.conf"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return configured


@pytest.fixture
def watchers(configured, filled):
    """A configuration file as Watcher has it, of the filled database."""
    return configured(WATCHERS.format(url=f"sqlite:///{filled}"))


def names(result):
    assert (result.code, result.err) == (0, "")
    return [row["name"] for row in json.loads(result.out)]


# --- what goes first ------------------------------------------------------------------------


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_configuration_of_watchers_names_a_database(run, watchers, is_behind):
    named, listing = ["--config-file", watchers], ["audit", "list", "-f", "json"]
    result = run(*listing, *named) if is_behind else run(*named, *listing)
    assert names(result) == ["one", "two", "three", "four"]


def test_a_configuration_may_name_a_driver_of_watchers(run, filled, configured):
    config = configured(f"[database]\nconnection = sqlite+aiosqlite:///{filled}\n")
    assert names(run("--config-file", config, "audit", "list", "-f", "json"))
    line = one_line(run("--database", f"sqlite+aiosqlite:///{filled}", "audit", "list"))
    assert "aiosqlite" in line


def test_the_option_goes_before_configurations_and_those_before_the_environment(
    run, filled, watchers, configured, monkeypatch
):
    listing = "audit", "list", "-f", "json"
    other = configured(f"[database]\nconnection = {NOWHERE}\n", "other.conf")
    assert names(run("--config-file", other, "--config-file", watchers, *listing))
    assert one_line(run("--config-file", watchers, "--config-file", other, *listing))
    assert names(run("--config-file", other, "--database", f"sqlite:///{filled}", *listing))
    monkeypatch.setenv(VARIABLE, NOWHERE)
    assert names(run("--config-file", watchers, *listing))
    monkeypatch.setenv(VARIABLE, f"sqlite:///{filled}")
    silent = configured("[keystone]\npassword = secret\n", "silent.conf")
    for words in ((), ("--config-file", silent)):
        assert names(run(*words, *listing))


def test_a_configuration_without_a_database_is_not_passed_over(run, configured, home):
    line = one_line(run("--config-file", configured("[keystone]\n"), "audit", "list"))
    assert line == "No database: the configuration has no connection in the section [database]"
    assert not home.exists()


def test_a_configuration_sets_the_profile_of_states(run, filled, configured):
    strict = "--database", f"sqlite:///{filled}", "audit"
    config = configured("[watcher_objects]\ntransitions = watcher\n")
    run(*strict, "start", "one")
    run(*strict, "suspend", "one")
    assert run(*strict, "cancel", "one").code == 1
    assert run("--config-file", config, *strict, "cancel", "one").code == 0


@pytest.mark.parametrize(
    ("words", "text", "variable", "is_recorded"),
    [
        ((), "", None, True),
        (("--no-journal",), "", None, False),
        ((), "journal = false\n", None, False),
        ((), "", "false", False),
        ((), "journal = false\n", "true", True),
        (("--no-journal",), "journal = true\n", "true", False),
    ],
)
def test_the_journal_can_be_disabled(
    run, filled, configured, monkeypatch, words, text, variable, is_recorded
):
    config = configured(f"[watcher_objects]\n{text}")
    audit = "--database", f"sqlite:///{filled}", "audit"
    if variable is not None:
        monkeypatch.setenv("OS_WATCHER_OBJECTS__JOURNAL", variable)
    assert run("--config-file", config, *audit, "start", "one", *words).code == 0
    last = run(*audit, "history", "one", "-f", "value", "-c", "to_state").out.split()[-1]
    assert (last == "ONGOING") == is_recorded


def test_an_audit_is_started_once_under_both_profiles(run, filled, configured):
    strict = "--database", f"sqlite:///{filled}", "audit"
    config = configured("[watcher_objects]\ntransitions = watcher\n")
    assert run(*strict, "start", "one").code == 0
    for options in ((), ("--config-file", config)):
        line = one_line(run(*options, *strict, "start", "one", "-f", "value"))
        assert "from ONGOING to ONGOING" in line


# --- what can't be read ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"[database]\npassword {CANARY}\n", "neither a section nor an option in line 2"),
        (f"[database]\nconnection = mysql://u:a${CANARY}@h/x\n", "$$"),
        ("[watcher_objects]\ntransitions = wild\n", "transitions"),
        ("[watcher_objects]\njournal = maybe\n", "journal"),
        ("[database]\nconnection = gold://h/x\n", "url must be"),
    ],
)
def test_a_configuration_that_can_not_be_used_is_reported_in_a_line(
    run, configured, text, expected
):
    config = configured(text)
    assert expected in one_line(run("--config-file", config, "audit", "list"))
    assert CANARY not in run("--debug", "--config-file", config, "audit", "list").err


def test_a_configuration_that_can_not_be_read_is_reported_in_a_line(run, tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name in ("missing.conf", ".", "bytes"):
        line = one_line(run("--config-file", tmp_path / name, "audit", "list"))
        assert line.startswith("Invalid configuration: ")


# --- the user's own -------------------------------------------------------------------------


def test_a_default_database_is_created_and_announced_once(run, home):
    file = home / "watcher-objects" / "audits.sqlite"
    first = run("audit", "list", "-f", "json")
    assert (first.code, json.loads(first.out)) == (0, [])
    (line,) = first.err.splitlines()
    assert str(file) in line
    assert all(way in line for way in ("--database", "--config-file", VARIABLE))
    assert [stat.S_IMODE(place.stat().st_mode) for place in (file.parent, file)] == [0o700, 0o600]
    assert run("audit", "list", "-f", "json").err == ""


def test_the_users_own_database_is_upgraded_when_it_is_made_and_else_by_name(run, home):
    run("audit", "list")
    own = f"sqlite:///{home}/watcher-objects/audits.sqlite"
    run("--database", own, "db", "downgrade", "--revision", "base")
    line = one_line(run("audit", "list"))
    assert f"watcher-objects --database {own} db upgrade" in line
    assert run("--database", own, "db", "upgrade").code == 0
    assert run("audit", "list").code == 0


ADMINISTRATION = [
    ("serve",),
    ("db", "check"),
    ("db", "downgrade", "--revision", "base"),
    ("db", "purge", "--older-than", "1", "--yes"),
    ("db", "stamp", "head"),
    ("db", "upgrade"),
    ("db", "version"),
]


def test_administration_is_of_a_database_that_is_named(run, home, monkeypatch):
    misspelled = VARIABLE.replace("OBJECTS", "OBJECT")
    monkeypatch.setenv(misspelled, NOWHERE)
    for made in (False, True):
        if made:
            run("audit", "list")
        for words in ADMINISTRATION:
            line = one_line(run(*words))
            assert line == f"No database: name one with --database, --config-file or {VARIABLE}"
            assert home.exists() is made


@pytest.mark.parametrize("words", [("audit", "list"), ("db", "check")], ids=" ".join)
def test_an_empty_name_of_a_database_is_rejected(run, home, configured, monkeypatch, words):
    empty = configured("[database]\nconnection =\n")
    assert "connection in [database] is empty" in one_line(run("--config-file", empty, *words))
    for name in ("", " "):
        assert "--database is empty" in one_line(run("--database", name, *words))
        monkeypatch.setenv(VARIABLE, name)
        assert f"{VARIABLE} is empty" in one_line(run(*words))
    assert not home.exists()


def test_a_data_folder_that_can_not_be_made_is_reported_in_a_line(run, home):
    home.write_text("in the way")
    assert "Cannot create" in one_line(run("audit", "list"))


def test_the_demo_takes_no_configuration(run, watchers):
    assert "PATH" in one_line(run("--config-file", watchers, "demo"))


# --- other processes ------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
from watcher_objects.cli.app import main
code = main(sys.argv[1:])
print(Path("/proc/self/cmdline").read_text())
sys.exit(code)
"""


def test_a_password_of_a_configuration_is_not_among_the_processes(configured):
    config = configured(f"[database]\nconnection = mysql://u:{CANARY}@127.0.0.1:1/x\n")
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", SCRIPT, "--config-file", config, "audit", "start", "one"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "--config-file" in done.stdout
    assert CANARY not in done.stdout + done.stderr
