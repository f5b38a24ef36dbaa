# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of a decision engine.

pytest imports this wherever watcher-objects is installed; the library itself is imported by the
first test that asks for a fixture, which is why this is no part of its package.
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
    """Where the databases of tests are made: on SQLite. Override it with a server's URL.

    The account must be allowed to create databases. Each process makes one, and drops it.
    """
    return "sqlite"


@pytest.fixture(scope="session")
def watcher_database_options() -> dict[str, Any]:
    """The arguments of ``db.configure`` besides the URL. Override it, as for ``transitions``."""
    return {}


@pytest.fixture(scope="session")
def _watcher_databases(
    watcher_database_server: str,
    watcher_database_options: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Databases]:
    with warnings.catch_warnings():
        # What the libraries that it needs say of each other is nothing to a test.
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
    """The library, configured with a database that has its schema and no rows; its URL."""
    with _watcher_databases() as url:
        yield url


@pytest.fixture
def watcher_factory(watcher_database: str) -> testing.Factory:
    """A factory of valid objects: ``watcher_factory.audit(state="ONGOING")``."""
    from watcher_objects import testing

    return testing.Factory()


@pytest.fixture
def watcher_lifecycle(watcher_database: str) -> Iterator[testing.Lifecycle]:
    """A witness of all moves; the test fails if one was refused or something is left running."""
    from watcher_objects import testing

    with testing.Lifecycle() as lifecycle:
        yield lifecycle
