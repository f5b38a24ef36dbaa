# SPDX-License-Identifier: Apache-2.0
"""What every registered class does, it does over RPC, too."""

import pytest

from tests import messaging, test_contract
from watcher_objects.base import WatcherObject
from watcher_objects.rpc import client
from watcher_objects.testing.database import upgraded

#: What is not so where a server does the work, and why.
ASIDE = {
    "test_save_writes_the_changed_columns_only": "the server notes the request, too",
    "test_save_of_nothing_writes_nothing": "the server notes the request, too",
    "test_every_write_is_published_once": "the server publishes, with its own objects",
}
cls = test_contract.cls
globals().update(
    {n: t for n, t in vars(test_contract).items() if n.startswith("test_") and n not in ASIDE}
)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The server's database."""
    return upgraded(f"sqlite:///{tmp_path_factory.mktemp('database') / 'served.sqlite'}")


@pytest.fixture(scope="module")
def remote():
    url = messaging.broker()
    with messaging.serving(url, show_deleted=True):
        made = client.Client(messaging.calling(url))
        yield made
        made.caller.close()


@pytest.fixture(autouse=True)
def over_rpc(remote, monkeypatch):
    """Run the methods on a server; tests read the rows to see what it did."""
    monkeypatch.setattr(WatcherObject, "indirection_api", remote)
