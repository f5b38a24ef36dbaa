# SPDX-License-Identifier: Apache-2.0
"""Watcher on our objects, and on the database that its own tests' fixture makes."""

import sqlite3
import time
from contextlib import closing

import watcher_on_objects

watcher_on_objects.install()

# ruff: noqa: E402
import fixtures
import pecan
import pytest
import sqlalchemy as sa
import watcher.tests.functional  # It chooses threads, before anything else can.
from oslo_config import cfg
from oslo_context.context import RequestContext
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy.schema import CreateColumn
from watcher.common import context as watcher_context
from watcher.db import api
from watcher.db.sqlalchemy import migration as theirs
from watcher.notifications import base as notifications
from watcher.objects import base
from watcher.tests.functional import base as functional
from watcher.tests.local_fixtures import db as db_fixture

from tests import servers
from tests.interop import catalogue, serving
from watcher_objects import db
from watcher_objects.adapter import startup
from watcher_objects.db import migration, models
from watcher_objects.testing import database as databases

# Only tests ask for it: to read what our objects have written.
base.WatcherPersistentObject.dbapi = api.get_instance()

#: What Watcher's schema is made from, where it isn't by a revision.
MODELS = "models"


def pytest_collect_file(file_path, parent):
    if file_path.name == "watcher.toml":
        return catalogue.Catalogue.from_parent(parent, path=file_path)
    return None


def pytest_terminal_summary(terminalreporter):
    """Report how many of Watcher's own tests ran."""
    passed, listed = (
        sum("watcher.toml" in report.nodeid for report in reports)
        for reports in map(terminalreporter.getreports, ("passed", "xfailed"))
    )
    line = f"Watcher's own tests: {passed} passed, {listed} cannot pass (watcher.toml)"
    terminalreporter.write_line(line)


class CopiedSchema(fixtures.Fixture):
    """Both schemas in the file of a test, in place of Watcher's fixture, which creates its own.

    The first test of a process creates them, which takes longer than most tests; the next ones
    copy them.
    """

    template: sqlite3.Connection | None = None

    def setUp(self):
        super().setUp()
        engine = enginefacade.writer.get_engine()
        with closing(sqlite3.connect(engine.url.database)) as file:
            if CopiedSchema.template:
                CopiedSchema.template.backup(file)
                return
            theirs.create_schema(engine=engine)
            with engine.begin() as connection:
                add_ours(connection)
            CopiedSchema.template = sqlite3.connect(":memory:")
            file.backup(CopiedSchema.template)


def add_ours(connection):
    """Create the columns and tables that only our library has, faster than by its revisions."""
    for table in models.metadata.sorted_tables:
        for column in table.columns:
            if "internal" in column.info:
                ddl = CreateColumn(column).compile(connection)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {ddl}")
    models.transitions.create(connection)
    models.workers.create(connection)


class OneDatabase(db_fixture.WatcherDatabase):
    """Watcher's fixture of a database, which our library is configured with as well."""

    def setUp(self):
        super().setUp()
        db.configure(cfg.CONF.database.connection, transitions=startup.PROFILE)
        self.addCleanup(db.dispose)


db_fixture.SqliteDatabaseFixture = CopiedSchema
db_fixture.WatcherDatabase = OneDatabase


def pytest_runtest_setup(item):
    # Watcher's unit tests leave nothing of it, its functional tests need it.
    pecan.set_config(pecan.configuration.DEFAULT, overwrite=True)


class Watcher:
    """Watcher's API, decision engine and applier, running in this process."""

    def __init__(self, api, context):
        self.api = api
        self.context = context
        self.seeing_all = watcher_context.make_context(is_admin=True, show_deleted=True)

    def get(self, url):
        """Return what the API answers, which must be well."""
        response = self.api.get(url)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, url, **body):
        """Create something through the API."""
        response = self.api.post(url, body)
        assert response.status_code in (201, 202), response.text
        return response.json() if response.text else None

    def patch(self, url, **changes):
        """Return the status of a change through the API."""
        patch = [{"op": "replace", "path": f"/{k}", "value": v} for k, v in changes.items()]
        return self.api.patch(url, patch).status_code

    def audit(self, **body):
        """Create an audit of the dummy strategy."""
        return self.post("/audits", **{"goal": "dummy", "strategy": "dummy", **body})

    def reaches(self, url, state):
        """Tell whether what is at the URL comes to the state."""
        return self.until(lambda: self.get(url)["state"] == state)

    def until(self, condition):
        """Tell whether the condition comes true."""
        deadline = time.monotonic() + 30
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def watcher():
    """Watcher, running."""
    with functional.WatcherEnvironment() as environment, functional.APIFixture() as api:
        yield Watcher(functional.WatcherTestClient(api.base_url), environment.context)


@pytest.fixture(params=servers.KINDS)
def empty(request, tmp_path):
    """The URL of a configured database with nothing in it, one of each kind."""
    with servers.scratch(request.param, tmp_path) as url:
        db.configure(url)
        yield url
        db.dispose()


@pytest.fixture
def build(empty, monkeypatch):
    """A function that lets Watcher make its schema: by its chain, or from its models."""
    engine = sa.create_engine(empty)
    monkeypatch.setattr(type(enginefacade.writer), "get_engine", lambda self: engine)
    yield lambda to: theirs.create_schema() if to == MODELS else theirs.upgrade(to)
    engine.dispose()


@pytest.fixture(scope="session", params=servers.KINDS)
def served(request, tmp_path_factory):
    """The URL of a database with our schema, one of each kind, and what calls Watcher on it.

    Both take seconds to start.
    """
    folder = tmp_path_factory.mktemp("served")
    with servers.scratch(request.param, folder, "_served") as url:
        databases.upgraded(url)
        with serving.calls(url) as call:
            yield url, call


@pytest.fixture
def context():
    return RequestContext()


@pytest.fixture
def call(served, context, notified):
    """Calls a function of a process of Watcher, on a configured database without triggers."""
    url, call = served
    with databases.emptied(url):
        migration.watch_foreign(False)
        serving.store_strategy(context)
        yield call


@pytest.fixture
def notified(monkeypatch):
    """The notifications that Watcher has sent: their types, and the states in them."""
    events = []

    def note(self, context, event_type, publisher_id, payload):
        data = payload["watcher_object.data"]
        change = data.get("state_update", {}).get("watcher_object.data", {})
        events.append((event_type, change.get("old_state"), data.get("state")))

    monkeypatch.setattr(notifications.NotificationBase, "_emit", note)
    monkeypatch.setattr(notifications.NotificationBase, "_should_notify", lambda self: True)
    return events
