# SPDX-License-Identifier: Apache-2.0
"""RPC with the options and brokers that deployments have."""

import os
import re
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from oslo_concurrency import lockutils
from oslo_context.context import RequestContext

from tests import broker, documents, factory, messaging, reader
from tests.chaos import instances, proxy
from watcher_objects import Audit, Goal, db, exception, rpc
from watcher_objects.db import migration
from watcher_objects.rpc import transport

TOPIC = messaging.TOPIC
#: The rights of a client that sends to an exchange, as docs/security.rst has them.
BY_EXCHANGE = ("^(openstack|reply_.*)$", "^openstack$", "^reply_.*$")


def rights():
    """The rights of the accounts that docs/security.rst makes."""
    blocks = [block.text for block in reader.blocks(documents.page("security"))]
    (text,) = (block for block in blocks if "rabbitmqctl" in block)
    given = re.findall(r"set_permissions -p watcher (\w+)((?:[\s\\]+'.+?'){3})", text)
    return {name: tuple(re.findall("'(.+?)'", patterns)) for name, patterns in given}


@pytest.fixture(scope="module")
def own():
    """A broker of our own."""
    messaging.broker()
    with instances.shelter() as folder:
        made = broker.Broker(folder / "own", {**rights(), "by_exchange": BY_EXCHANGE})
        made.start()
        yield made
        made.kill()


@pytest.fixture(scope="module", autouse=True)
def stored(tmp_path_factory):
    """The servers' database, with a goal."""
    db.configure(f"sqlite:///{tmp_path_factory.mktemp('database') / 'served.sqlite'}")
    migration.upgrade()
    factory.stored(Goal, RequestContext(), name="far")
    yield
    db.dispose()


@pytest.fixture(scope="module")
def plain(own):
    """The URL of the broker, where a server has no options."""
    with messaging.serving(own.address(), TOPIC):
        yield own.address()


@pytest.fixture(autouse=True)
def no_client():
    """After a test there is no client, and nothing that the queue manager keeps."""
    yield
    rpc.disable()
    lockutils.set_defaults(None)
    for file in Path("/dev/shm").glob(f"*_tests{os.getpid()}_qmanager"):  # noqa: S108
        file.unlink()


def names(context):
    return [goal.name for goal in Goal.list(context)]


# --- the options of deployments -------------------------------------------------------------

#: Each exchange has another name, as one that is there can't become durable.
DEPLOYMENTS = {
    "an exchange": {"control_exchange": "watcher"},
    "durable queues": {"control_exchange": "durable", "amqp_durable_queues": True},
    "quorum queues": {
        "control_exchange": "quorum",
        "rabbit_quorum_queue": True,
        "rabbit_transient_quorum_queue": True,
    },
    "mirrored queues": {"control_exchange": "mirrored", "rabbit_ha_queues": True},
    "the queue manager, and streams": {
        "control_exchange": "managed",
        "rabbit_quorum_queue": True,
        "rabbit_transient_quorum_queue": True,
        "rabbit_stream_fanout": True,
        "rabbit_qos_prefetch_count": 1,
        "use_queue_manager": True,
        "hostname": "localhost",
        "processname": f"tests{os.getpid()}",
    },
}


@pytest.mark.parametrize("options", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_a_client_has_the_url_or_the_options_or_the_configuration(own, context, options, tmp_path):
    options = {**options, "lock_path": str(tmp_path)}
    topic = f"{TOPIC}_{options['control_exchange']}"
    with messaging.serving(own.address(), topic, options):
        rpc.enable(own.address(), topic=topic, timeout=20)
        assert names(context) == ["far"]
        rpc.enable(own.address(), options=options, topic=topic, timeout=20)
        assert names(context) == ["far"]
        conf = transport.configuration({**options, "transport_url": own.address()})
        rpc.enable(conf=conf, topic=topic, timeout=20)
        assert names(context) == ["far"]


def test_an_exchange_that_the_broker_has_otherwise_is_named(plain, context):
    for is_durable, why in ((True, "no server has listened"), (False, "'durable' for exchange")):
        options = {"control_exchange": "unlike", "amqp_durable_queues": is_durable}
        rpc.enable(plain, topic=f"{TOPIC}_nobody", options=options)
        with pytest.raises(exception.ServerUnavailable, match=why):
            Goal.list(context)


def test_a_queue_that_the_broker_has_otherwise_is_named(plain):
    options = DEPLOYMENTS["quorum queues"]
    with (
        pytest.raises(exception.Invalid, match="rejected the server: PRECONDITION_FAILED"),
        messaging.serving(plain, TOPIC, options),
    ):
        pass


# --- TLS, several hosts, accounts -----------------------------------------------------------


def test_a_broker_is_reached_over_tls_as_the_url_or_the_options_say(own, context):
    query = f"?ssl=1&ssl_ca_file={own.folder}/ca.pem"
    options = {"ssl": True, "ssl_ca_file": f"{own.folder}/ca.pem"}
    with messaging.serving(own.address(tls=True, query=query), f"{TOPIC}_tls"):
        rpc.enable(own.address(tls=True), topic=f"{TOPIC}_tls", timeout=20, options=options)
        assert names(context) == ["far"]


TRUSTED = "?ssl=1&ssl_ca_file={0.folder}/ca.pem"
REJECTED = {
    "another name": ("rabbit://all:secret@127.0.0.1:{0.tls}/" + TRUSTED, "not valid for"),
    "no authority": ("rabbit://all:secret@localhost:{0.tls}/?ssl=1", "certificate"),
    "no TLS there": ("rabbit://all:secret@127.0.0.1:{0.port}/" + TRUSTED, "SSL"),
    "no TLS here": ("rabbit://all:secret@127.0.0.1:{0.tls}/", "was not sent"),
    "a wrong password": ("rabbit://all:canary@127.0.0.1:{0.port}/", "ACCESS_REFUSED"),
    "no such host": ("rabbit://all:canary@127.0.0.1:{0.port}/canary", "was not sent"),
    "nobody": ("rabbit://all:canary@127.0.0.1:1,all:canary@127.0.0.1:2/", "refused"),
}


@pytest.mark.parametrize(("url", "why"), REJECTED.values(), ids=REJECTED)
def test_a_broker_that_can_not_be_used_is_reported_at_once(own, context, url, why):
    begun = time.monotonic()
    rpc.enable(url.format(own), topic=TOPIC, timeout=60)
    with pytest.raises(exception.ServerUnavailable, match=why):
        Goal.list(context)
    rpc.disable()
    assert time.monotonic() - begun < 30


def test_of_several_hosts_one_is_enough(plain, context):
    nobody = ",".join(f"all:secret@127.0.0.1:{port}" for port in (1, 2, 3, 4))
    rpc.enable(plain.replace("://", f"://{nobody},"), topic=TOPIC, timeout=20)
    assert names(context) == ["far"]


def test_a_call_that_loses_its_broker_has_an_unknown_outcome_and_the_next_has_none(plain, context):
    between = proxy.Proxy(sa.make_url(plain).set(drivername="mysql"))
    options = {"kombu_reconnect_delay": 0, "rabbit_retry_backoff": 0}
    url = between.address.replace("mysql://", "rabbit://")
    rpc.enable(url, topic=TOPIC, timeout=60, options=options)
    assert names(context) == ["far"]
    between.close()
    with pytest.raises(exception.ReplyTimeout):
        Goal.list(context)
    with pytest.raises(exception.ServerUnavailable):
        Goal.list(context)
    begun = time.monotonic()
    rpc.disable()
    assert time.monotonic() - begun < 2 * transport.CLOSING


def test_accounts_as_the_page_makes_them_do_their_work_only(own, context):
    topic = "watcher_objects"
    with messaging.serving(own.address("objects_server"), topic):
        rpc.enable(own.address("objects_client"), topic=topic, timeout=20)
        assert names(context) == ["far"]
        options = {"control_exchange": "openstack"}
        rpc.enable(own.address("by_exchange"), options=options, topic=topic, timeout=20)
        assert names(context) == ["far"]
        with (
            pytest.raises(exception.Invalid, match="ACCESS_REFUSED"),
            messaging.serving(own.address("objects_client"), topic),
        ):
            pass


# --- messages that are too large ------------------------------------------------------------


def test_an_answer_that_the_broker_refuses_is_reported_at_once(plain, context):
    for _ in range(4):
        factory.stored(Audit, context, parameters={"text": "x" * (broker.LIMIT // 3)})
    rpc.enable(plain, topic=TOPIC, timeout=60)
    assert len(Audit.list(context, limit=2)) == 2
    with pytest.raises(exception.InvalidMessage, match="rejected the reply"):
        Audit.list(context)
    assert len(Audit.list(context, limit=2)) == 2


def test_a_request_that_the_broker_refuses_is_reported_at_once(plain, context):
    large = factory.built(Audit, context, parameters={"text": "x" * broker.LIMIT})
    rpc.enable(plain, topic=TOPIC, timeout=60)
    with pytest.raises(exception.InvalidMessage, match="message size"):
        large.create()
    assert "far" in names(context)
