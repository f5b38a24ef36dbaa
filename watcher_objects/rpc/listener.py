# SPDX-License-Identifier: Apache-2.0
"""The server that executes remotable methods for clients, over oslo.messaging."""

import functools
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_messaging.rpc.server import RPCServer

from watcher_objects import exception
from watcher_objects.db import requests
from watcher_objects.rpc import transport, wire
from watcher_objects.rpc.server import Endpoint

#: Seconds for which a reply is kept, in case the request is repeated.
KEPT = 3600
#: The number of concurrent requests.
THREADS = 16
#: Seconds to send replies and to disconnect, after the last request was executed.
GRACE = 5


class _Messages(RPCServer):
    """A server of oslo.messaging that reports a reply which the broker rejects."""

    def _process_incoming(self, incoming: Any) -> None:
        for message in incoming:
            message.reply = functools.partial(_reply, message.reply)
        super()._process_incoming(incoming)


def _reply(send: Callable[..., None], reply: Any = None, failure: Any = None) -> None:
    try:
        send(reply, failure)
    except oslo_messaging.MessageDeliveryFailure:
        # Otherwise the client would wait until its timeout.
        size = len(reply) if isinstance(reply, str) else "?"
        reason = f"the broker rejected the reply of {size} characters; request less at a time"
        error = exception.InvalidMessage(reason=reason)
        send(wire.write({"error": wire.encode_error(error)}, wire.MAX_ANSWER), None)


class Server:
    """A server that answers requests from :meth:`start` to :meth:`stop`.

    :param bus: the transport, from :func:`watcher_objects.rpc.transport.create`
    :param topic: the topic to listen to; servers with the same topic share the work
    :param show_deleted: allow callers to see soft-deleted objects
    """

    def __init__(self, bus: Any, topic: str, show_deleted: bool = False) -> None:
        host = socket.gethostname()
        self.name = f"{host}.{os.getpid()}"
        self.endpoint = Endpoint(show_deleted)
        self._is_started = False
        # The queue is named after the host, so that the next process on this host reuses it.
        self._server = oslo_messaging.get_rpc_server(
            bus,
            oslo_messaging.Target(topic=topic, server=host),
            [self.endpoint],
            access_policy=oslo_messaging.ExplicitRPCAccessPolicy,
            server_cls=_Messages,
        )

    def start(self, threads: int = THREADS) -> None:
        """Start to answer requests; wait for the broker if it is unavailable.

        :param threads: the number of concurrent requests
        :raises Invalid: the broker rejects this server or its queue
        """
        try:
            self._server.start(override_pool_size=threads)
        except Exception as error:
            if refused := transport.refusal(error):
                raise exception.Invalid(
                    f"The message broker rejected the server: {refused}"
                ) from error
            raise
        self._is_started = True

    def stop(self) -> bool:
        """Accept no more requests, and wait until those in progress are answered.

        :returns: whether all could be answered; False if the broker is unavailable
        """
        if not self._is_started:
            return True
        stopping = transport.Background(self._stop)
        last = time.monotonic()
        while not stopping.ends_within(0.1) and time.monotonic() < last + GRACE:
            if self.endpoint.busy:
                last = time.monotonic()
        return stopping.ends_within(0)

    def _stop(self) -> None:
        self._server.stop()
        self._server.wait()

    def heartbeat(self) -> str:
        """Remove expired replies, and return a line on the server's health."""
        try:
            requests.expire(KEPT)
            database = "answers"
        except exception.WatcherException as error:
            database = f"does not answer: {error}"
        return f"{self.counts()}, the database {database}"

    def counts(self) -> str:
        """Return a line with the number of requests."""
        endpoint = self.endpoint
        return f"{self.name}: {endpoint.answered} requests, {endpoint.refused} rejected"
