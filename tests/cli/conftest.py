# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, and a database for it."""

import json
import shutil
from typing import NamedTuple

import pytest
from oslo_context.context import RequestContext

from watcher_objects import Audit, Goal, Strategy, db
from watcher_objects.audit import State
from watcher_objects.cli.app import main
from watcher_objects.cli.connection import VARIABLE
from watcher_objects.db import migration


class Result(NamedTuple):
    code: int
    out: str
    err: str


def one_line(result):
    """Return the one line that a failed command wrote, to stderr."""
    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    return line


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """The user's data folder, which is not that of who runs the tests; no database is named."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


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


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A database file with audits one to five; five is deleted."""
    file = tmp_path_factory.mktemp("template") / "audits.sqlite"
    db.configure(f"sqlite:///{file}")
    migration.upgrade()
    context = RequestContext()
    for name in ("cool", "level"):
        goal = Goal(context, name=name, display_name=name, efficacy_specification=[])
        goal.create()
    strategy = Strategy(context, name="spread", display_name="Spread", goal=goal)
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
    return file


@pytest.fixture
def filled(empty, template):
    """A copy of the template, for one test."""
    return shutil.copy(template, empty)


@pytest.fixture
def on(run, filled):
    """Run a command on the filled database."""
    return lambda *words: run("--database", f"sqlite:///{filled}", *words)


@pytest.fixture
def rows(on):
    """Run a command on the filled database, and return what it lists or shows."""

    def rows(*words):
        result = on(*words, "-f", "json")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return rows
