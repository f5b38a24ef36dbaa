# SPDX-License-Identifier: Apache-2.0
"""What holds on a cluster whose nodes all take writes, also when one of them dies."""

import threading

import pytest
import sqlalchemy as sa

from tests import servers
from tests.fire import claims, galera, instances, mix
from tests.fire.arena import Run
from tests.fire.tiers import long
from watcher_objects import db
from watcher_objects.db import migration


@pytest.fixture(scope="module")
def cluster():
    """Three nodes that are one cluster; the last test kills one."""
    with instances.shelter() as folder:
        made = galera.Cluster(folder)
        try:
            made.start()
            assert made.size() == galera.NODES
            yield made
        finally:
            made.kill()


@pytest.fixture
def urls(cluster):
    """The URLs of a database with our schema, one of each node."""
    with servers.created(cluster.nodes[0].url, "fire"):
        made = [sa.make_url(node.url).set(database="fire") for node in cluster.nodes]
        urls = [one.render_as_string(hide_password=False) for one in made]
        db.configure(urls[0])
        migration.upgrade()
        db.dispose()
        yield urls


def test_processes_on_all_nodes_win_each_audit_once(urls):
    report = claims.run(Run(urls, processes=6, audits=300))
    assert report.findings == []
    assert report.figures["claims won"] == 300
    report = mix.run(Run(urls, processes=6, audits=100, calls=100))
    assert report.findings == []


@long
def test_a_node_that_dies_is_not_seen_on_the_others(cluster, urls):
    killer = threading.Timer(3, cluster.nodes[2].kill)
    killer.start()
    report = mix.run(Run(urls[:2], processes=6, audits=100, calls=1_000))
    killer.join()
    assert cluster.size() == galera.NODES - 1
    assert report.findings == []
