# SPDX-License-Identifier: Apache-2.0
"""The methods of objects, run by a server: for processes that have no database."""

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import amqp
import oslo_messaging
from oslo_config import cfg
from oslo_utils import importutils, uuidutils
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import exception, versions
from watcher_objects.base import WatcherObject
from watcher_objects.db import budget, rules
from watcher_objects.hydration import check_context
from watcher_objects.rpc import wire
from watcher_objects.versions import Manifest

TOPIC = "watcher_objects"
#: The version of the three calls of a server.
VERSION = "1.0"
#: Seconds to wait for an answer.
TIMEOUT = 60
#: The port of a message broker, where none is named.
AMQP = 5672
#: What says that nothing was sent: the broker is away, or does not let us in.
_NOT_SENT = (
    oslo_messaging.MessageDeliveryFailure,
    amqp.exceptions.AccessRefused,
    amqp.exceptions.NotAllowed,
)
#: Times to try to reach the message broker.
ATTEMPTS = 2


class Client(ovo.VersionedObjectIndirectionAPI):
    """What runs remotable methods on a server; see :func:`enable`."""

    def __init__(self, transport_url: str, topic: str, timeout: float) -> None:
        self.timeout = timeout
        self.transport = transport(transport_url)
        target = oslo_messaging.Target(topic=topic, version=VERSION)
        self._client = oslo_messaging.get_rpc_client(
            self.transport, target, timeout=timeout, retry=ATTEMPTS
        )
        parsed = oslo_messaging.TransportURL.parse(self.transport.conf, transport_url)
        self._places = [(host.hostname, host.port or AMQP) for host in parsed.hosts]
        # The versions of a server that turned out to be older.
        self._server: Manifest | None = None

    def __bool__(self) -> bool:
        # A server in this process runs the methods itself.
        return not wire.serving.get()

    def object_action(
        self,
        context: Any,
        objinst: Any,
        objmethod: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> tuple[dict[str, Any], Any]:
        """Run a method of an object, which becomes what the method made of it."""
        _check_arguments(getattr(objinst, objmethod), objinst, *args, **kwargs)
        if given := objinst._obj_given():
            # JSON would make something else of what can't be stored.
            rules.storable(objinst.table, given)

        def request(manifest: Manifest) -> dict[str, Any]:
            told = {"object": alone, "method": objmethod, "args": args, "kwargs": kwargs}
            return {name: wire.encode(value, manifest) for name, value in told.items()}

        # Related objects are not the method's to change, and stay what they are here.
        alone = objinst._obj_alone()
        answer = self._ask(context, "object_action", objmethod, request)
        objinst.obj_refresh(wire.decode(answer["object"], context))
        if answer["old_state"] is not None:
            objinst._old_state = answer["old_state"]
        return {}, wire.decode(answer["result"], context)

    def object_class_action_versions(
        self,
        context: Any,
        objname: str,
        objmethod: str,
        object_versions: Manifest,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run a method of a class, and return its result."""
        cls = wire.classes()[objname]
        check_context(context)
        _check_arguments(getattr(cls, objmethod), cls, context, *args, **kwargs)

        def request(manifest: Manifest) -> dict[str, Any]:
            told = {"class": objname, "method": objmethod, "args": args, "kwargs": kwargs}
            return {name: wire.encode(value, manifest) for name, value in told.items()}

        answer = self._ask(context, "object_class_action_versions", objmethod, request)
        return wire.decode(answer["result"], context)

    def object_class_action(
        self,
        context: Any,
        objname: str,
        objmethod: str,
        objver: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Do as :meth:`object_class_action_versions`.

        oslo.versionedobjects calls it where that raised NotImplementedError, of which
        FieldNotSet is one.
        """
        return self.object_class_action_versions(context, objname, objmethod, {}, args, kwargs)

    def object_backport_versions(
        self, context: Any, objinst: Any, object_versions: Manifest
    ) -> Any:
        """Return the object of a primitive that is newer than what is known here."""

        def request(manifest: Manifest) -> dict[str, Any]:
            return {"object": objinst}

        answer = self._ask(context, "object_backport_versions", "backport", request)
        return wire.decode(answer["object"], context)

    def _ask(
        self,
        context: Any,
        verb: str,
        method: str,
        request: Callable[[Manifest], dict[str, Any]],
    ) -> dict[str, Any]:
        token = uuidutils.generate_uuid()
        while True:
            manifest = versions.sent_at(wire.spoken(), self._server or {})
            told = {**request(manifest), "token": token, "versions": wire.spoken()}
            answer = self._sent(context, verb, method, wire.write(told, wire.MAX_REQUEST))
            if "error" not in answer:
                return answer
            error = wire.decode_error(answer["error"])
            is_new = isinstance(error, ovo_exception.IncompatibleObjectVersion)
            if not is_new or self._server is not None:
                raise error
            # An older server has refused; what it knows it has told.
            self._server = answer["versions"]

    def _sent(self, context: Any, verb: str, method: str, request: str) -> dict[str, Any]:
        self._reach(method)
        try:
            text = self._client.call(wire.encode_context(context), verb, request=request)
        except oslo_messaging.MessagingTimeout as error:
            raise exception.ReplyTimeout(method=method, seconds=self.timeout) from error
        except _NOT_SENT as error:
            raise exception.ServerUnavailable(method=method) from error
        except oslo_messaging.RemoteError as error:
            raise exception.RemoteFailure(method=method) from error
        return wire.read(text)

    def _reach(self, method: str) -> None:
        """See once that a broker is there: oslo.messaging would wait for one for ever."""
        for place in self._places:
            with contextlib.suppress(OSError):
                socket.create_connection(place, timeout=self.timeout).close()
                self._places = []
        if self._places:
            raise exception.ServerUnavailable(method=method)


def configuration() -> cfg.ConfigOpts:
    """Return a configuration of oslo.messaging with its defaults."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    return conf


def transport(url: str | None, conf: cfg.ConfigOpts | None = None) -> Any:
    """Return what carries messages.

    :param url: ``rabbit://user:password@host:5672/``, or ``fake://`` inside of one process;
        None: what the configuration has
    :raises InvalidParameter: there is no such transport
    """
    conf = conf or configuration()
    for part in ("tracing", "metrics"):
        # oslo.messaging registers these options with the global configuration only, and asks ours.
        if module := importutils.try_import(f"oslo_messaging._{part}.client"):
            group = f"oslo_messaging_{part}"
            conf.register_opts(getattr(module, group), group)
    try:
        return oslo_messaging.get_rpc_transport(conf, url=url)
    except (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure, ValueError):
        # The cause would show the URL, and with it the password.
        allowed = "like rabbit://user:password@host:5672/"
        raise exception.InvalidParameter(
            parameter="transport_url", parameter_type=allowed
        ) from None


def enable(
    transport_url: str,
    *,
    topic: str = TOPIC,
    timeout: float = TIMEOUT,
    release: str | None = None,
) -> None:
    """Let a server run all remotable methods from now on.

    This process needs no database then. ``create_many`` and ``db.transaction`` do.

    :param transport_url: where the message broker is, ``rabbit://user:password@host:5672/``
    :param topic: the name under which the servers listen
    :param timeout: seconds to wait for an answer
    :param release: send objects as this release had them, as :func:`watcher_objects.versions.pin`
        does; None leaves that as it is
    :raises InvalidParameter: one of them can't be used
    """
    if not isinstance(topic, str) or not topic:
        raise exception.InvalidParameter(parameter="topic", parameter_type="text")
    if type(timeout) not in (int, float) or not 0 < timeout <= budget.MOST:
        allowed = f"a number of seconds up to {budget.MOST}"
        raise exception.InvalidParameter(parameter="timeout", parameter_type=allowed)
    if release is not None:
        versions.pin(release)
    client = Client(transport_url or "nowhere", topic, timeout)
    disable()
    WatcherObject.indirection_api = client


def disable() -> None:
    """Let methods run in this process again."""
    client: Any = WatcherObject.indirection_api
    WatcherObject.indirection_api = None
    if client is not None:
        client.transport.cleanup()


def _check_arguments(method: Any, *args: Any, **kwargs: Any) -> None:
    """Refuse what the method itself would not take.

    :raises TypeError: one is missing, or one too many
    """
    wire.signature(method).bind(*args, **kwargs)
