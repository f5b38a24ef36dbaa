# SPDX-License-Identifier: Apache-2.0
"""The client, for processes without access to the database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_utils import uuidutils
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import exception, versions
from watcher_objects.base import WatcherObject
from watcher_objects.db.backend import budget, database
from watcher_objects.db.sql import state_guard
from watcher_objects.persistence.row_mapper import missing_context
from watcher_objects.rpc import transport, wire
from watcher_objects.rpc.caller import Caller
from watcher_objects.versions import Manifest

TOPIC = "watcher_objects"
#: Seconds to wait for a reply.
TIMEOUT = 60


class Client(ovo.VersionedObjectIndirectionAPI):
    """The interface by which oslo.versionedobjects calls remotable methods on a server."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        # The versions of a server that is older than this process.
        self._server: Manifest | None = None

    def __bool__(self) -> bool:
        # A server in the same process executes methods itself.
        return not wire.in_server.get()

    def object_action(
        self,
        context: Any,
        objinst: Any,
        objmethod: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> tuple[dict[str, Any], Any]:
        """Run a method of an object, and load the resulting state into the object."""
        _check_arguments(getattr(objinst, objmethod), objinst, *args, **kwargs)
        if given := objinst._changed_columns():
            # Validate before JSON changes a value that cannot be stored.
            state_guard.storable(objinst.table, given)

        def request(manifest: Manifest) -> dict[str, Any]:
            parts = {"object": alone, "method": objmethod, "args": args, "kwargs": kwargs}
            return {name: wire.encode(value, manifest) for name, value in parts.items()}

        # Related objects are neither sent nor changed.
        alone = objinst._without_relations()
        name = f"{objinst.obj_name()}.{objmethod}"
        answer = self._ask(context, "object_action", name, request)
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
        if context is None:
            raise missing_context()
        _check_arguments(getattr(cls, objmethod), cls, context, *args, **kwargs)

        def request(manifest: Manifest) -> dict[str, Any]:
            parts = {"class": objname, "method": objmethod, "args": args, "kwargs": kwargs}
            return {name: wire.encode(value, manifest) for name, value in parts.items()}

        name = f"{objname}.{objmethod}"
        answer = self._ask(context, "object_class_action_versions", name, request)
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
        """Call :meth:`object_class_action_versions`.

        oslo.versionedobjects falls back to this method after a NotImplementedError, and
        FieldNotSet is one.
        """
        return self.object_class_action_versions(context, objname, objmethod, {}, args, kwargs)

    def object_backport_versions(
        self, context: Any, objinst: Any, object_versions: Manifest
    ) -> Any:
        """Return the object of a primitive whose version is newer than this process knows."""

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
            manifest = versions.negotiate(wire.supported_versions(), self._server or {})
            message = {**request(manifest), "token": token, "versions": wire.supported_versions()}
            text = wire.write(message, wire.MAX_REQUEST)
            answer = wire.read(self.caller.call(context, verb, method, text))
            if "error" not in answer:
                return answer
            error = wire.decode_error(answer["error"])
            if isinstance(error, exception.InvalidMessage) and wire.NO_METHOD in str(error):
                reason = f"The RPC server does not support {method}; upgrade the servers"
                raise exception.UnsupportedError(reason)
            is_new = isinstance(error, ovo_exception.IncompatibleObjectVersion)
            if not is_new or self._server is not None:
                raise error
            # The server is older; the reply contains the versions that it knows.
            self._server = answer["versions"]


def enable(
    transport_url: str | None = None,
    *,
    conf: cfg.ConfigOpts | None = None,
    options: Mapping[str, Any] | None = None,
    topic: str = TOPIC,
    timeout: float = TIMEOUT,
    release: str | None = None,
    transitions: str | None = None,
) -> None:
    """Execute all remotable methods on a server from now on.

    This process then needs no database, except for ``create_many`` and ``db.transaction``.

    :param transport_url: the message broker, ``rabbit://user:password@host:5672/vhost``
    :param conf: the configuration of a service, with ``transport_url`` and other options of
        oslo.messaging
    :param options: values of such options by name, instead of ``conf``; without
        ``control_exchange``, requests are sent directly to the servers' queue
    :param topic: the topic that the servers listen to
    :param timeout: seconds to wait for a reply
    :param release: the release to send objects in, as with :func:`watcher_objects.versions.pin`;
        None keeps the current pin
    :param transitions: the profile of the servers, ``strict`` or ``watcher``; None keeps the
        profile of this process, which is ``strict`` by default
    :raises InvalidParameter: an argument is invalid
    """
    if not isinstance(topic, str) or not topic:
        raise exception.InvalidParameter(parameter="topic", parameter_type="text")
    if type(timeout) not in (int, float) or not 0 < timeout <= budget.MOST:
        allowed = f"a number of seconds up to {budget.MOST}"
        raise exception.InvalidParameter(parameter="timeout", parameter_type=allowed)
    if transitions is not None:
        database.use_profile(transitions)
    if release is not None:
        versions.pin(release)
    made = _configured(transport_url, conf, options)
    caller = Caller(transport_url, made, topic, timeout)
    disable()
    WatcherObject.indirection_api = Client(caller)


def _configured(url: Any, conf: Any, options: Any) -> cfg.ConfigOpts:
    """Return the configuration for the arguments of :func:`enable`."""
    if conf is not None:
        if not isinstance(conf, cfg.ConfigOpts):
            raise exception.InvalidParameter(parameter="conf", parameter_type="oslo.config's")
        if options is not None:
            allowed = "omitted if conf is given"
            raise exception.InvalidParameter(parameter="options", parameter_type=allowed)
        return conf
    if not isinstance(url, str) or not url:
        raise exception.InvalidParameter(parameter="transport_url", parameter_type="given")
    if options is not None and not isinstance(options, Mapping):
        raise exception.InvalidParameter(parameter="options", parameter_type="a mapping")
    # With an empty exchange, the broker routes messages by the name of the queue.
    direct = {} if url.startswith(transport.IN_PROCESS) else {"control_exchange": ""}
    return transport.configuration({**direct, **(options or {})})


def disable() -> None:
    """Execute methods in this process again."""
    client: Any = WatcherObject.indirection_api
    WatcherObject.indirection_api = None
    if client is not None:
        client.caller.close()


def _check_arguments(method: Any, *args: Any, **kwargs: Any) -> None:
    """Reject arguments that do not fit the method's signature.

    :raises TypeError: an argument is missing or unexpected
    """
    wire.signature(method).bind(*args, **kwargs)
