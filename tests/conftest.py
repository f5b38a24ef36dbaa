# SPDX-License-Identifier: Apache-2.0
"""The databases that the tests run on.

SQLite is always there. PostgreSQL and MariaDB are used when their servers can be reached at
the URLs below; where the environment says ``CI=true``, a missing server is a failure.
"""

import contextlib
import functools
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from oslo_context.context import RequestContext

with warnings.catch_warnings():
    # Every warning is an error in these tests, but for what oslo.messaging, which
    # oslo.versionedobjects imports, has to say of its own imports.
    warnings.simplefilter("ignore")
    import oslo_messaging  # noqa: F401

from tests import factory, servers
from tests.terminal import Terminal
from watcher_objects import db, events
from watcher_objects.db import migration
from watcher_objects.testing import database as databases

collect_ignore = ["deployment", "interop"]  # their environment and pytest.ini are their own
settings.register_profile("default", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


@pytest.fixture(scope="session")
def database_urls(tmp_path_factory) -> Iterator[Callable[[str], str]]:
    """Return the URL of the database of a kind that all tests of this process share."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def create(kind: str) -> str:
            folder = tmp_path_factory.mktemp("database")
            return stack.enter_context(servers.scratch(kind, folder))

        yield create


@pytest.fixture(scope="session", params=servers.KINDS)
def shared_url(request, database_urls) -> str:
    """The URL of a database, one of each kind; pytest asks for it anew in each module."""
    return database_urls(request.param)


@pytest.fixture(params=servers.KINDS)
def empty_database(request, tmp_path) -> Iterator[str]:
    """The URL of a configured database with nothing in it, which one test has for itself."""
    with servers.scratch(request.param, tmp_path, "_blank") as url:
        db.configure(url)
        yield url
        db.dispose()


@pytest.fixture(scope="session")
def url(shared_url) -> str:
    """The URL of a database with our schema."""
    return databases.upgraded(shared_url)


@pytest.fixture
def database(url) -> Iterator[str]:
    """A configured database with empty tables; the value is its kind."""
    with databases.emptied(url):
        yield sa.make_url(url).get_backend_name()


@pytest.fixture(scope="session")
def sqlite_url(database_urls) -> str:
    """The URL of an SQLite file with our schema."""
    return databases.upgraded(database_urls("sqlite"))


@pytest.fixture(scope="session")
def new_file(tmp_path_factory) -> Callable[[Path], str]:
    """Makes an SQLite file with our schema at a path, and returns its URL."""
    template = tmp_path_factory.mktemp("template") / "template.sqlite"
    databases.upgraded(f"sqlite:///{template}")
    return lambda path: f"sqlite:///{shutil.copy(template, path)}"


@pytest.fixture
def sqlite(sqlite_url) -> Iterator[None]:
    """Configure SQLite with empty tables, for what does not depend on the kind of database."""
    with databases.emptied(sqlite_url):
        yield


@pytest.fixture
def no_schema(database) -> Iterator[str]:
    """A configured database without tables; afterwards it has ours again."""
    migration.downgrade("base")
    yield database
    migration.upgrade()
    clean()


@pytest.fixture(autouse=True)
def owners_of_its_own() -> None:
    """Forget related objects that other tests have stored."""
    factory.forget_owners()


def clean() -> None:
    """Empty every table."""
    factory.forget_owners()
    databases.empty()


@pytest.fixture
def context() -> RequestContext:
    return RequestContext()


@pytest.fixture
def show_deleted_context() -> RequestContext:
    return RequestContext(show_deleted=True)


@pytest.fixture
def published() -> Iterator[list[events.Event]]:
    """The events that are published, in order."""
    seen: list[events.Event] = []
    end = events.subscribe(seen.append)
    yield seen
    end()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def listen(monkeypatch) -> Iterator[Callable[[Callable[..., None]], None]]:
    """Calls a function with each statement before any engine sends it, in this test."""
    # SQLAlchemy would leave it set, and each later engine of this process the slower way.
    monkeypatch.setattr(sa.Engine, "_has_events", sa.Engine._has_events)
    with contextlib.ExitStack() as stack:

        def listen(note: Callable[..., None]) -> None:
            sa.event.listen(sa.Engine, "before_cursor_execute", note)
            stack.callback(sa.event.remove, sa.Engine, "before_cursor_execute", note)

        yield listen


@pytest.fixture
def statements(listen) -> list[str]:
    """The statements that databases are sent from now on, in order, without BEGIN and COMMIT."""
    sent: list[str] = []

    def note(connection, cursor, statement, *rest):
        if statement.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            sent.append(statement)

    listen(note)
    return sent
