# SPDX-License-Identifier: Apache-2.0
"""Databases for chaos tests: on servers of our own, or on given ones."""

import enum
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from tests import servers
from tests.chaos import instances
from tests.chaos.galera import Cluster
from tests.chaos.instances import Server
from watcher_objects.testing.database import upgraded

_NAME = f"watcher_objects_chaos_{os.getpid()}"
_KINDS = {**instances.KINDS, "galera": Cluster}


class Need(enum.StrEnum):
    """What a scenario can't do without."""

    DATABASE = "a database"
    NETWORK = "a network to a server"
    SERVER = "a server of our own"
    CLUSTER = "a cluster of our own"


_OFFERED = {
    "sqlite": {Need.DATABASE},
    "postgresql": {Need.DATABASE, Need.NETWORK, Need.SERVER},
    "mariadb": {Need.DATABASE, Need.NETWORK, Need.SERVER},
    "galera": {Need.DATABASE, Need.NETWORK, Need.CLUSTER},
}
#: What can be made here.
OWN = (*_OFFERED,)


class Place(NamedTuple):
    """A database with our schema: its URL on each node, and the nodes if they are our own."""

    urls: Sequence[str]
    servers: Sequence[Server] = ()


@contextmanager
def running(kind: str) -> Iterator[Sequence[Server]]:
    """Lend a server of our own, or the nodes of a cluster, which may be disturbed."""
    with instances.shelter() as folder:
        made = _KINDS[kind](folder / "own")
        try:
            made.start()
            yield made.nodes
        finally:
            made.kill()


@contextmanager
def database(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    """Make a database on a server, and lend its URL on each node."""
    with servers.created(nodes[0], _NAME) as made:
        upgraded(made)
        places = [sa.make_url(node).set(database=_NAME) for node in nodes]
        yield [place.render_as_string(hide_password=False) for place in places]


def offered(where: str) -> set[Need]:
    """Return what there is where :func:`lent` makes a database."""
    of_others = {Need.DATABASE} if where.startswith("sqlite") else {Need.DATABASE, Need.NETWORK}
    return _OFFERED.get(where, of_others)


@contextmanager
def lent(where: str) -> Iterator[Place]:
    """Make a database where one of :data:`OWN`, or URLs with commas between, say."""
    if where.startswith("sqlite"):
        with tempfile.TemporaryDirectory() as folder:
            yield Place([upgraded(f"sqlite:///{Path(folder) / _NAME}")])
    elif where in OWN:
        with running(where) as made, database([one.url for one in made]) as urls:
            yield Place(urls, made)
    else:
        with database(where.split(",")) as urls:
            yield Place(urls)
