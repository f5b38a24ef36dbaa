# SPDX-License-Identifier: Apache-2.0
"""What holds on a cluster whose nodes all take writes, also when one of them dies."""

from contextlib import closing

import pytest

from tests import servers
from tests.chaos import places
from tests.chaos.arena import Run
from tests.chaos.places import Need
from tests.chaos.scenarios import SCENARIOS, needing
from tests.chaos.tiers import long


@pytest.fixture
def cluster():
    """Three nodes that are one cluster, and a database on them."""
    with places.lent("galera") as made:
        assert size(made) == len(made.servers) == 3
        yield made


def size(cluster):
    """Return how many nodes the first one sees, itself among them."""
    with closing(servers.admin(cluster.urls[0]).connect()) as connection:
        asked = "SHOW STATUS LIKE 'wsrep_cluster_size'"
        return int(connection.exec_driver_sql(asked).fetchone()[1])


def test_processes_on_all_nodes_win_each_audit_once(cluster):
    report = SCENARIOS["claims"].run(Run(*cluster, processes=6, audits=150))
    assert report.findings == []
    assert report.figures["claims won"] == 150
    assert report.figures["conflicts"] > 0
    report = SCENARIOS["mix"].run(Run(*cluster, processes=6, audits=100, calls=100))
    assert report.findings == []


@long
@pytest.mark.parametrize("name", needing(Need.CLUSTER))
def test_a_node_that_dies_is_not_seen(cluster, name):
    report = SCENARIOS[name].run(Run(*cluster, processes=6, audits=300, calls=300))
    assert size(cluster) == 2
    assert report.findings == []
