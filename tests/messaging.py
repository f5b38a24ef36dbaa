# SPDX-License-Identifier: Apache-2.0
"""A message broker, a server that listens to it, and the requests that it gets."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import oslo_messaging
from oslo_utils import uuidutils

from tests import servers
from watcher_objects.rpc import caller, listener, transport, wire

RABBITMQ = os.environ.get("WATCHER_OBJECTS_TEST_RABBITMQ", "rabbit://guest:guest@127.0.0.1:5672/")
TOPIC = f"watcher_objects_test_{os.getpid()}"


def broker() -> str:
    """The URL of the message broker; a missing one is an error in CI."""
    place = oslo_messaging.TransportURL.parse(transport.configuration(), RABBITMQ).hosts[0]
    try:
        socket.create_connection((place.hostname, place.port or 5672), timeout=5).close()
    except OSError as error:
        servers.missing(f"no RabbitMQ at {place.hostname}:{place.port}", f": {error}")
    return RABBITMQ


@contextmanager
def serving(
    url: str, topic: str = TOPIC, options: Mapping[str, Any] | None = None, **more
) -> Iterator[listener.Server]:
    """A server in this process, whose database is the one that is configured.

    :param options: of oslo.messaging
    """
    bus = transport.create(url, transport.configuration(options))
    running = listener.Server(bus, topic, **more)
    running.start()
    try:
        yield running
    finally:
        running.stop()
        transport.close(bus)


def calling(url: str, topic: str = TOPIC) -> caller.Caller:
    """What sends requests to such a server."""
    return caller.Caller(url, transport.configuration(), topic, timeout=20)


def request(method, obj=None, *args, token=None, **changes):
    """The text of a request to run a method of an object or of the class Audit."""
    target = (
        {"class": "Audit"}
        if obj is None
        else {"object": wire.encode(obj, wire.supported_versions())}
    )
    rest = {"args": [*args], "kwargs": {}, "versions": wire.supported_versions()}
    return json.dumps(
        {
            **target,
            "method": method,
            **rest,
            "token": token or uuidutils.generate_uuid(),
            **changes,
        }
    )
