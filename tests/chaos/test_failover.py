# SPDX-License-Identifier: Apache-2.0
"""Writes that servers refuse: any before a standby is promoted, and large ones."""

import threading
import time
from contextlib import ExitStack, closing

import pytest
import sqlalchemy as sa

from tests import factory, servers
from tests.chaos import instances
from tests.chaos.proxy import Proxy
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.testing.database import upgraded


def execute(url, *statements):
    with closing(servers.admin(url).connect()) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="module")
def folder():
    with instances.shelter() as folder:
        yield folder


@pytest.fixture
def pair(folder, request):
    """A hot standby, and the URL of our schema on the server that it follows."""
    primary = instances.Postgresql(folder / f"primary-{request.node.name}")
    with ExitStack() as stack:
        stack.callback(primary.kill)
        primary.start()
        execute(primary.url, "CREATE DATABASE watcher")
        url = sa.make_url(primary.url).set(database="watcher")
        upgraded(url.render_as_string(hide_password=False))
        standby = instances.Standby(folder / f"standby-{request.node.name}", primary)
        stack.callback(standby.kill)
        standby.start()
        yield standby, url
        db.dispose()


def test_a_call_waits_until_the_standby_is_promoted(pair, context):
    standby, url = pair
    network = Proxy(url, url.set(port=standby.port))
    try:
        db.configure(network.address)
        audit = factory.stored(Audit, context)
        standby.catch_up()
        standby.primary.kill()
        network.cut()
        promotion = threading.Timer(1.5, standby.promote)
        promotion.start()
        # A standby answers reads at once.
        assert Goal.get(context, audit.goal_id).id == audit.goal_id
        assert promotion.is_alive()
        audit.state = "ONGOING"
        audit.save()
        promotion.join()
        created = factory.stored(Audit, context)
        assert [one.state for one in Audit.list(context)] == ["ONGOING", "PENDING"]
        assert created.id > audit.id
    finally:
        network.close()


def test_a_url_may_name_both_servers_and_a_standby_alone_is_reported_in_time(pair, context):
    standby, url = pair
    places = [f"127.0.0.1:{port}" for port in (standby.port, url.port)]
    query = {"host": places, "target_session_attrs": "read-write"}
    both = url.set(host=None, port=None, query=query)
    db.configure(both)
    audit = factory.stored(Audit, context)
    standby.catch_up()
    audit.state = "ONGOING"
    # A standby that is not promoted in time.
    db.configure(url.set(port=standby.port), retry_for=2)
    with pytest.raises(exception.DatabaseUnavailable, match="accepts no writes"):
        audit.save()
    db.configure(both)
    assert Audit.get(context, audit.id).state == "PENDING"
    standby.primary.kill()
    promotion = threading.Timer(1, standby.promote)
    promotion.start()
    audit.save()
    promotion.join()
    assert [one.state for one in Audit.list(context)] == ["ONGOING"]


@pytest.mark.parametrize("own_server", ["mariadb"], indirect=True)
def test_a_call_waits_until_mariadb_takes_writes(own_server, own_url, context):
    url = sa.make_url(own_url)
    execute(
        own_url,
        "CREATE USER service@'127.0.0.1'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {url.database}.* TO service@'127.0.0.1'",
    )
    try:
        db.configure(url.set(username="service"))
        audit = factory.stored(Audit, context)
        connections = []
        sa.event.listen(db.get_engine(), "connect", lambda *_: connections.append(1))
        execute(own_url, "SET GLOBAL read_only = 1")
        writable = threading.Timer(1, execute, (own_url, "SET GLOBAL read_only = 0"))
        writable.start()
        assert Audit.get(context, audit.id) == audit
        audit.state = "ONGOING"
        audit.save()
        writable.join()
        assert connections
        assert Audit.get(context, audit.id).state == "ONGOING"
    finally:
        db.dispose()
        execute(own_url, "SET GLOBAL read_only = 0", "DROP USER service@'127.0.0.1'")


def save(audit, large):
    audit.parameters = large
    audit.save()


@pytest.mark.parametrize("own_server", ["mariadb"], indirect=True)
def test_a_statement_that_never_fits_is_reported_at_once(own_server, own_url, context):
    """The server hangs up on it, as if the connection had been lost."""
    execute(own_url, "SET GLOBAL max_allowed_packet = 65536")
    try:
        db.configure(own_url)
        audit = factory.stored(Audit, context)
        large = {"text": "x" * 70_000}
        many = [factory.built(Audit, context, parameters=large) for _ in range(2)]
        for call in (
            lambda: factory.stored(Audit, context, parameters=large),
            lambda: save(audit, large),
            lambda: Audit.create_many(context, many),
        ):
            began = time.monotonic()
            with pytest.raises(exception.DatabaseError, match="raise that") as raised:
                call()
            assert not isinstance(raised.value, exception.DatabaseUnavailable)
            assert time.monotonic() - began < 5
            assert [one.id for one in Audit.list(context)] == [audit.id]
        fits = factory.stored(Audit, context, parameters={"text": "x" * 50_000})
        assert len(Audit.get(context, fits.id).parameters["text"]) == 50_000
    finally:
        db.dispose()
        execute(own_url, "SET GLOBAL max_allowed_packet = DEFAULT")
