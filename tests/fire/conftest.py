# SPDX-License-Identifier: Apache-2.0
"""The databases that are put under fire."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests import servers
from tests.fire import oracle
from tests.fire.footprint import Footprint
from watcher_objects import db


@pytest.fixture
def target(url, database) -> str:
    """The URL of a database with empty tables, which this process is not connected to."""
    db.dispose()
    return url


@pytest.fixture
def footprint(url, database, told) -> Iterator[Footprint]:
    """What can be seen of the configured database from outside."""
    oracle.install(url)
    with closing(servers.admin(url).connect()) as connection:
        yield Footprint(connection, told)
    oracle.remove(url)
