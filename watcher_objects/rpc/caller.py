# SPDX-License-Identifier: Apache-2.0
"""Calls over oslo.messaging, with their failures translated."""

import contextlib
import time
from typing import Any

import amqp.exceptions
import kombu.exceptions
import oslo_messaging
from oslo_config import cfg

from watcher_objects import exception
from watcher_objects.rpc import transport, wire

#: The version of the server's interface.
VERSION = "1.0"
#: The minimum number of retries to send a request; at least one per host is made.
ATTEMPTS = 2
#: Errors of the message broker and of the connection to it.
_BROKER = (
    oslo_messaging.MessageDeliveryFailure,
    amqp.exceptions.AMQPError,
    kombu.exceptions.KombuError,
    OSError,
    RuntimeError,  # raised for options that exclude each other
)


class Caller:
    """A client of the servers that listen to a topic.

    :param url: the message broker; None means the configuration's ``transport_url``
    :param timeout: seconds to wait for a reply
    :raises InvalidParameter: the URL or an option is invalid
    """

    def __init__(self, url: str | None, conf: cfg.ConfigOpts, topic: str, timeout: float) -> None:
        self._timeout = timeout
        self._topic = topic
        self._transport = transport.create(url, conf)
        self._hosts = len(oslo_messaging.TransportURL.parse(conf, url).hosts) or 1
        self._client = oslo_messaging.get_rpc_client(
            self._transport,
            oslo_messaging.Target(topic=topic, version=VERSION),
            timeout=timeout,
            retry=max(ATTEMPTS, self._hosts),
            # The broker returns a request at once if the queue of the servers does not exist.
            transport_options=oslo_messaging.TransportOptions(at_least_once=True),
        )
        self._is_reached = False

    def call(self, context: Any, verb: str, method: str, request: str) -> str:
        """Send a request, and return a server's reply.

        :param verb: a method of the server's interface
        :param method: the name of the request in error messages
        :raises ServerUnavailable: the request was not sent
        :raises InvalidMessage: the request is larger than the broker accepts
        :raises ReplyTimeout: the outcome is unknown
        :raises RemoteFailure: the server failed
        """
        begun = time.monotonic()
        self._reach(method)
        try:
            carried = wire.encode_context(context)
            answer: str = self._client.call(carried, verb, request=request)
        except oslo_messaging.MessagingTimeout as error:
            raise exception.ReplyTimeout(method=method, seconds=self._timeout) from error
        except oslo_messaging.RemoteError as error:
            raise exception.RemoteFailure(method=method) from error
        except oslo_messaging.MessageUndeliverable as error:
            reason = f"no server has listened to {exception.safe_repr(self._topic)} yet"
            raise exception.ServerUnavailable(method=method, reason=reason) from error
        except _BROKER as error:
            # The next call checks first whether the broker is available.
            self._is_reached = False
            if refused := _refusal(method, error):
                raise refused from error
            # The connection may have failed after the request was sent.
            seconds = round(time.monotonic() - begun)
            raise exception.ReplyTimeout(method=method, seconds=seconds) from error
        return answer

    def close(self) -> None:
        """Close the connections to the broker."""
        transport.close(self._transport)

    def _reach(self, method: str) -> None:
        """Connect to the broker once, trying each of its hosts.

        A call also opens a connection for replies, for which oslo.messaging would wait forever.

        :raises ServerUnavailable: the broker is unreachable, or rejects this client
        """
        if self._is_reached:
            return
        nobody = self._client.prepare(server="nobody", retry=self._hosts - 1)
        try:
            with contextlib.suppress(oslo_messaging.MessageUndeliverable):
                nobody.cast({}, "connect")
        except _BROKER as error:
            reason = exception.escape_control(str(error))
            unavailable = exception.ServerUnavailable(method=method, reason=reason)
            raise _refusal(method, error) or unavailable from error
        self._is_reached = True


def _refusal(method: str, error: Exception) -> exception.WatcherException | None:
    """Return the error for a request that the broker rejected, or None for another failure."""
    refused = transport.refusal(error)
    if refused is None:
        return None
    reason = f"the broker rejected it: {refused}"
    if "message size" in reason:
        return exception.InvalidMessage(reason=reason)
    return exception.ServerUnavailable(method=method, reason=reason)
