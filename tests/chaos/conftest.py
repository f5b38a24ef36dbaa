# SPDX-License-Identifier: Apache-2.0
"""The databases of the chaos tests."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import servers
from tests.chaos import history, instances
from tests.chaos.calls import Footprint
from tests.chaos.proxy import Proxy
from tests.conftest import clean
from watcher_objects import db


@pytest.fixture
def target(url, database) -> str:
    """The URL of a database with empty tables, which this process is not connected to."""
    db.dispose()
    return url


@pytest.fixture(scope="module")
def witnessed(url) -> Iterator[str]:
    """The URL of a database that records what is written to audits."""
    db.configure(url)
    clean()
    db.dispose()
    history.install(url)
    yield url
    history.remove(url)


@pytest.fixture
def footprint(witnessed, database, published) -> Iterator[Footprint]:
    """What can be seen of the configured database from outside."""
    with closing(servers.admin(witnessed).connect()) as connection:
        yield Footprint(connection, published)


@pytest.fixture
def proxy(url, database) -> Iterator[Proxy]:
    """A network between the library and its server, where there is one."""
    proxy = Proxy(sa.make_url(url))
    db.configure(proxy.url)
    yield proxy
    db.dispose()
    proxy.close()


@pytest.fixture(scope="module", params=instances.KINDS)
def own_server(request) -> Iterator[instances.Server]:
    """A server of our own, which may be disturbed."""
    with instances.running(request.param) as (server,):
        yield server


@pytest.fixture
def own_url(own_server) -> Iterator[str]:
    """The URL of a database with our schema on that server."""
    with instances.database([own_server.url]) as (url,):
        yield url
