# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of a decision engine.

pytest imports this module in every run. It is outside of the package, so that the library itself
is imported only if a test requests a fixture.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from watcher_objects import testing

    Databases = Callable[[], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def watcher_database_server() -> str:
    """The server for the databases of tests: SQLite. Override it with the URL of a server.

    The account must be allowed to create databases. Each process creates one, and drops it.
    """
    return "sqlite"


@pytest.fixture(scope="session")
def watcher_database_options() -> dict[str, Any]:
    """Further arguments of ``db.configure``. Override it, for example to set ``transitions``."""
    return {}


@pytest.fixture(scope="session")
def _watcher_databases(
    watcher_database_server: str,
    watcher_database_options: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Databases]:
    with warnings.catch_warnings():
        # Warnings of other libraries during the import do not concern a test.
        warnings.simplefilter("ignore")
        from watcher_objects import testing
    folder = tmp_path_factory.mktemp("watcher_objects")
    name = f"watcher_objects_{os.getpid()}"
    with testing.databases(
        watcher_database_server, folder, name, **watcher_database_options
    ) as made:
        yield made


@pytest.fixture
def watcher_database(_watcher_databases: Databases) -> Iterator[str]:
    """The URL of an empty database that the library is configured with."""
    with _watcher_databases() as url:
        yield url


@pytest.fixture
def watcher_factory(watcher_database: str) -> testing.Factory:
    """A factory of valid objects: ``watcher_factory.audit(state="ONGOING")``."""
    from watcher_objects import testing

    return testing.Factory()


@pytest.fixture
def watcher_lifecycle(watcher_database: str) -> Iterator[testing.Lifecycle]:
    """A recorder that fails the test if a transition is rejected or an object is left running."""
    from watcher_objects import testing

    with testing.Lifecycle() as lifecycle:
        yield lifecycle


@pytest.fixture
def watcher_workers(watcher_database: str) -> Iterator[testing.Workers]:
    """Processes of workers that a test starts, kills and freezes; all end with the test."""
    from watcher_objects import testing

    with testing.Workers() as workers:
        yield workers
