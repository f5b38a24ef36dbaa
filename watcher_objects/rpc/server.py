# SPDX-License-Identifier: Apache-2.0
"""The server that runs the methods of objects for others: a conductor on oslo.messaging."""

import logging
import os
import re
import socket
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import oslo_messaging
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import coercion, exception, versions
from watcher_objects.base import WatcherPersistentObject
from watcher_objects.db import requests, transactions
from watcher_objects.rpc import wire
from watcher_objects.rpc.client import VERSION
from watcher_objects.versions import Manifest

LOG = logging.getLogger(__name__)

#: Seconds for which an answer is kept, for a request that comes again.
KEPT = 3600
#: Requests that are worked on at once.
THREADS = 16
#: What only reads; the rest happens once, however often it is asked for.
READS = frozenset(
    {"get", "get_by_id", "get_by_uuid", "get_by_name", "get_by_type"}
    | {"list", "refresh", "_obj_related"}
)
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}")
_TYPED = (exception.WatcherException, ovo_exception.VersionedObjectsException)

Said = Mapping[str, Any]


class _Method(NamedTuple):
    """A method that may be asked for."""

    run: Callable[..., Any]
    is_of_class: bool
    signature: Any


def methods() -> Mapping[tuple[str, str], _Method]:
    """Return what may be asked for: the remotable methods of the objects, by both names.

    Besides these, the object that another points at: what it takes to read ``audit.goal``.
    """
    found = {}
    for objname, cls in wire.classes().items():
        for name in dir(cls):
            run = getattr(cls, "_obj_pointed_at" if name == "_obj_related" else name)
            if getattr(run, "remotable", False) or name == "_obj_related":
                of_class = getattr(run, "__self__", None) is cls
                found[objname, name] = _Method(run, of_class, wire.signature(run))
    return found


class Endpoint:
    """The calls that a server answers, each with a request and an answer that are JSON text.

    An answer has a ``result``, and an ``object`` as the method left it; or an ``error``.

    :param show_deleted: let callers see what is deleted, if they ask for that
    """

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, show_deleted: bool = False) -> None:
        self.answered = 0
        self.refused = 0
        self._show_deleted = show_deleted
        self._methods = methods()

    @oslo_messaging.expose
    def object_action(self, ctxt: Any, request: Any) -> str:
        """Run a method of an object."""
        return self._answer(ctxt, request, self._object_action)

    @oslo_messaging.expose
    def object_class_action_versions(self, ctxt: Any, request: Any) -> str:
        """Run a method of a class."""
        return self._answer(ctxt, request, self._class_action)

    @oslo_messaging.expose
    def object_backport_versions(self, ctxt: Any, request: Any) -> str:
        """Tell an object in the versions that the caller knows."""
        return self._answer(ctxt, request, self._backport)

    def _answer(self, ctxt: Any, request: Any, run: Callable[[Any, Said], str]) -> str:
        self.answered += 1
        within = wire.serving.set(True)
        try:
            said = {**wire.read_request(request), "text": ascii(request)}
            return run(wire.decode_context(ctxt, self._show_deleted), said)
        except _TYPED as error:
            return self._refusal(error)
        except Exception as error:
            # Without its message, which may show what was sent or is stored.
            where = "".join(traceback.format_tb(error.__traceback__))
            LOG.error("A request failed with %s:\n%s", type(error).__name__, where)
            return self._refusal(exception.RemoteFailure(method="a request"))
        finally:
            wire.serving.reset(within)

    def _refusal(self, error: Exception) -> str:
        self.refused += 1
        told: dict[str, Any] = {"error": wire.encode_error(error)}
        if isinstance(error, ovo_exception.IncompatibleObjectVersion):
            told["versions"] = wire.spoken()
        return wire.write(told, wire.MAX_ANSWER)

    def _object_action(self, context: Any, said: Said) -> str:
        obj = _object(context, said)
        method, args, kwargs = self._asked(context, said, obj.obj_name(), obj)
        manifest = _manifest(said)

        def run() -> dict[str, Any]:
            result = method.run(obj, *args, **kwargs)
            told = {"result": result, "object": obj, "old_state": obj.old_state}
            return {name: wire.encode(value, manifest) for name, value in told.items()}

        return self._done(said, run)

    def _class_action(self, context: Any, said: Said) -> str:
        objname = _part(said, "class", str)
        method, args, kwargs = self._asked(context, said, objname, None, context)
        manifest = _manifest(said)

        def run() -> dict[str, Any]:
            result = method.run(context, *args, **kwargs)
            return {"result": wire.encode(result, manifest)}

        return self._done(said, run)

    def _backport(self, context: Any, said: Said) -> str:
        obj = _object(context, said)
        return wire.write({"object": wire.encode(obj, _manifest(said))}, wire.MAX_ANSWER)

    def _asked(
        self, context: Any, said: Said, objname: str, *bound: Any
    ) -> tuple[_Method, Any, Any]:
        """Return the method that is asked for, and its arguments.

        :param bound: what the method gets before them: its object, or its class and a context
        """
        name = _part(said, "method", str)
        method = self._methods.get((objname, name))
        if method is None or method.is_of_class != (len(bound) > 1):
            raise exception.InvalidMessage(reason="it asks for no method that may be called")
        args = wire.decode(_part(said, "args", list), context)
        kwargs = wire.decode(_part(said, "kwargs", dict), context)
        if not isinstance(kwargs, dict):
            raise exception.InvalidMessage(reason="its kwargs are an object")
        try:
            method.signature.bind(*bound, *args, **kwargs)
        except TypeError as error:
            raise exception.InvalidMessage(reason=f"its arguments: {error}") from error
        return method, args, kwargs

    def _done(self, said: Said, run: Callable[[], dict[str, Any]]) -> str:
        """Run a method, once for each token if it writes, and return the answer."""
        if said["method"] in READS:
            return wire.write(run(), wire.MAX_ANSWER)
        # Of another request that has the same token the answer is another.
        token = uuid.UUID(coercion.to_uuid("token", said.get("token")))

        def answer() -> str:
            try:
                with transactions.transaction():
                    return wire.write(run(), wire.MAX_ANSWER)
            except exception.DatabaseError:
                raise
            except _TYPED as error:
                return self._refusal(error)

        return requests.once(str(uuid.uuid5(token, said["text"])), answer)


def _part(said: Said, name: str, kind: type) -> Any:
    if not isinstance(said.get(name), kind):
        raise exception.InvalidMessage(reason=f"its {name} can't be used")
    return said[name]


def _object(context: Any, said: Said) -> Any:
    obj = wire.decode(_part(said, "object", dict), context)
    if not isinstance(obj, WatcherPersistentObject):
        raise exception.InvalidMessage(reason="its object can't be used")
    return obj


def _manifest(said: Said) -> Manifest:
    """Return the versions to answer in: those that the caller asks for, where we know them."""
    asked = _part(said, "versions", dict)
    for version in asked.values():
        if not (isinstance(version, str) and _VERSION.fullmatch(version)):
            raise exception.InvalidMessage(reason="its versions can't be used")
    return versions.sent_at(wire.spoken(), asked)


class Server:
    """A server; it answers from :meth:`start` to :meth:`stop`.

    :param transport: what carries messages, of :func:`watcher_objects.rpc.client.transport`
    :param topic: the name under which it listens, as others do to share the work
    :param show_deleted: let callers see what is deleted, if they ask for that
    """

    def __init__(self, transport: Any, topic: str, show_deleted: bool = False) -> None:
        self.name = f"{socket.gethostname()}.{os.getpid()}"
        self.endpoint = Endpoint(show_deleted)
        self._server = oslo_messaging.get_rpc_server(
            transport,
            oslo_messaging.Target(topic=topic, server=self.name),
            [self.endpoint],
            access_policy=oslo_messaging.ExplicitRPCAccessPolicy,
        )

    def start(self, threads: int = THREADS) -> None:
        """Begin to answer, so many requests at once."""
        self._server.start(override_pool_size=threads)

    def stop(self) -> None:
        """Take no more requests, and return when those in hand are answered."""
        self._server.stop()
        self._server.wait()

    def look_after(self) -> str:
        """Forget what was answered long ago, and return a line that tells how it goes."""
        try:
            requests.forget(KEPT)
            database = "answers"
        except exception.WatcherException as error:
            database = f"does not answer: {error}"
        endpoint = self.endpoint
        told = f"{endpoint.answered} requests, {endpoint.refused} refused"
        return f"{self.name}: {told}, the database {database}"
