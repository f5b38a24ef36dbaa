# SPDX-License-Identifier: Apache-2.0
"""What the README and the other documents say is so."""

import ast
import inspect
import os
import re
import tomllib
from textwrap import dedent

import pytest

from tests import factory, messaging
from tests import reader as readers
from tests.documents import PAGES, README, ROOT, block, page
from watcher_objects import Audit, db, rpc, versions
from watcher_objects.cli import app, connection, serve
from watcher_objects.db import migration
from watcher_objects.db.migration import diagnostics, revisions
from watcher_objects.persistence import row_mapper
from watcher_objects.rpc import client
from watcher_objects.states import AuditStateTransitionManager

SERVER = "test_accounts does it on servers"
INDEX = "needs an index of packages; .ci/package and .ci/run do it"
#: The blocks that no reader of the tests follows: page -> how the first line begins -> why.
UNREAD = {
    "README.rst": {
        "python3 -m venv ": INDEX,
        "PENDING   ──┬──▶ ONGOING": "a drawing, compared with the table below",
        "8    cli, testing": "a list; test_layers reads it",
    },
    "contributing.rst": {
        "WATCHER_OBJECTS_TEST_SEQUENCES=5000 ": "takes an hour; CI has 40 sequences",
        "python3 -m venv ": INDEX,
    },
    "check.rst": {"WATCHER_OBJECTS_DATABASE=": "a crontab"},
    "faults.rst": {"postgresql://": "needs two servers; test_failover has them"},
    "internals.rst": {"WITH written AS": "a statement in excerpts"},
    "claim-internals.rst": {
        "WITH written AS": "excerpts of statements, which test_internals compares",
        "SELECT audits.id FROM ": "as above",
        "BEGIN NOT ATOMIC ": "as above",
        "BEGIN IMMEDIATE;": "as above",
        "UPDATE audits SET ": "as above",
    },
    "install.rst": {
        "pip install watcher-objects  ": INDEX,
        "CREATE ROLE watcher_upgrades ": SERVER,
        "REVOKE ALL ON SCHEMA public ": SERVER,
        "export WATCHER_OBJECTS_DATABASE=postgresql:": SERVER,
        "DO $$": SERVER,
        "CREATE USER watcher_upgrades@": SERVER,
        "apt-get install ": "needs root; .ci/run does it",
        "CREATE DATABASE watcher ": SERVER,
        "export WATCHER_OBJECTS_DATABASE=mysql:": SERVER,
    },
    "engine.rst": {
        "migrate {": "is printed; compared below",
        "AssertionError: an object was left running": "fails; test_testing has it",
    },
    "monitoring.rst": {
        "$ watcher-objects worker list": "needs workers that run; tests/cli/test_worker has them",
        "groups:": "needs Prometheus",
    },
    "purge.rst": {
        "WATCHER_OBJECTS_DATABASE=": "a crontab",
        "# /etc/systemd/system/watcher-purge.service": "needs systemd",
    },
    "rpc.rst": {"[Unit]": "needs systemd"},
    "runtimes.rst": {
        "import eventlet": "patches the process; tests/runtimes does it",
        "from gevent import monkey": "patches the process; tests/runtimes does it",
    },
    "security.rst": {
        "rabbitmqctl add_vhost watcher": "test_rpc_deployments has these accounts",
        "[DEFAULT]": "test_rpc_deployments has a broker with TLS",
    },
    "sizing.rst": {"sqlite3 audits.sqlite ": "needs the databases' own programs"},
    "performance.rst": {
        "tox run -e bench ": "takes an hour, and Watcher from an index of packages"
    },
    "watcher-services.rst": {
        "pip install 'watcher-objects": INDEX,
        "watcher-o": "needs Watcher; tests/interop/test_launcher.py does it",
        "[Service]": "a unit of systemd",
        "from watcher_on_objects import application": "needs Watcher, as above",
        "INFO watcher_on_objects": "as above",
    },
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A reader in an empty folder, which is removed afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("WATCHER_OBJECTS_DATABASE", raising=False)
    kept = dict(os.environ)
    yield readers.Reader()
    for name in os.environ.keys() - kept:
        del os.environ[name]
    os.environ.update(kept)
    rpc.disable()
    versions.pin(None)
    db.dispose()


# --- what the pages show is done ------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PAGES if name not in ("engine.rst", "rpc.rst")])
def test_what_a_page_shows_happens(name, reader):
    reader.follow(PAGES[name])


def test_what_the_page_of_rpc_shows_a_server_does(reader, context):
    db.configure("sqlite:///audits.sqlite")
    migration.upgrade()
    factory.stored(Audit, context, name="nightly")
    page = PAGES["rpc.rst"].replace("rabbit://user:password@broker:5672/", "fake://")
    with messaging.serving("fake://", client.TOPIC):
        reader.follow(page)
    rpc.disable()
    assert Audit.get_by_name(context, "nightly").state == "ONGOING"
    assert reader.names["audit"].old_state == "PENDING"


def test_the_engine_prints_what_its_page_says(reader, capsys):
    reader.follow(page("engine"))
    (shown,) = (b.text for b in readers.blocks(page("engine")) if b.title.startswith("migrate"))
    assert f"{shown}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", PAGES)
def test_what_is_not_done_is_listed_with_its_reason(name):
    unread = {b.title for b in readers.blocks(PAGES[name]) if b.kind not in readers.RUN}
    known = tuple(UNREAD.get(name, {}))
    assert [title for title in unread if not title.startswith(known)] == []
    assert [key for key in known if not any(title.startswith(key) for title in unread)] == []


def test_each_command_is_named_with_options_that_it_has():
    application = app.WatcherObjects()
    common = application.parser._option_string_actions.keys()
    said = {name: set() for name in app.COMMANDS}
    for text in PAGES.values():
        for name, words in readers.named(text):
            said[name] |= {"shown"} | {word.split("=")[0] for word in words if word[:2] == "--"}
    for name, options in said.items():
        parser = app.COMMANDS[name](application, None).get_parser(name)
        assert "shown" in options, f"{name} is not documented"
        assert options - {"shown"} <= common | parser._option_string_actions.keys(), name


BROKEN = {
    "an assertion": (".. code-block:: python", "assert 1 == 2", "^$"),
    "another output": (
        ".. code-block:: console",
        "$ echo one\n   two",
        r"Expected:\s+two\s+Got:\s+one",
    ),
    "a failing command": (
        ".. code-block:: console",
        "$ watcher-objects audit show nobody",
        "exit code 1",
    ),
    "a failing shell": (".. code-block:: console", "$ cat nothing | grep x", "exit code 1"),
}


@pytest.mark.parametrize(("kind", "text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_block_that_does_not_do_what_it_shows_is_noticed(kind, text, why, reader):
    with pytest.raises(AssertionError, match=why):
        reader.follow(f"Here::\n\n   nothing\n\n{kind}\n\n   {text}\n\nThere.\n")


def test_the_drawing_is_that_of_the_table():
    assert block("states begin") == AuditStateTransitionManager.diagram()


def test_the_version_has_its_part_of_the_changelog():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^{re.escape(version)}\b.*\n==+\n", PAGES["changelog.rst"], flags=re.M)


def test_the_example_has_sixteen_lines():
    assert len([line for line in block("example").splitlines() if line]) == 16


def test_each_option_of_the_server_is_documented():
    text = page("rpc")
    for option in (*serve.OPTIONS, *connection.OPTIONS, connection.CONNECTION):
        assert re.search(rf"^``{option.name}``  ", text, flags=re.M), option.name


def test_the_gate_runs_the_command_that_the_readme_names():
    gate = (ROOT / ".ci/run").read_text()
    pattern = re.search(r"s/\^ \*(.*)\$/", gate).group(1)
    assert len(re.findall(pattern.replace("\\(", "(").replace("\\)", ")"), README)) == 1


def said(*sources):
    """The parts of all texts, docstrings apart, that the code of these says; not the shortest."""
    for source in sources:
        tree = ast.parse(dedent(inspect.getsource(source)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):
                node.value = ast.Constant(None)
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
        parts = [text.strip() for text in texts if isinstance(text, str)]
        yield from (part for part in parts if " " in part and not part.startswith("SELECT "))


def test_each_finding_of_a_check_is_explained():
    text = " ".join(PAGES["check.rst"].split())
    sources = (
        diagnostics,
        migration._of_revision,
        revisions.unknown_revision,
        revisions.incompatibility,
        revisions.missing_tables,
    )
    parts = {*said(*sources, row_mapper.RowMapped._unusable)}
    assert len(parts) >= 12
    assert {part for part in parts if part not in text} == set()
