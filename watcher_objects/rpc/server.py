# SPDX-License-Identifier: Apache-2.0
"""The server's endpoint, which executes the method of a request and returns a reply."""

import hashlib
import logging
import re
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import oslo_messaging
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import exception, versions
from watcher_objects.db import requests, transactions
from watcher_objects.db.sql import journal
from watcher_objects.fields import coercion
from watcher_objects.persistence.reading import Readable
from watcher_objects.rpc import wire
from watcher_objects.rpc.caller import VERSION
from watcher_objects.versions import Manifest

LOG = logging.getLogger(__name__)

#: Methods that only read; all others are executed once per idempotency key.
READS = frozenset(
    {"get", "get_by_id", "get_by_uuid", "get_by_name", "get_by_type"}
    | {"list", "refresh", "_obj_related", "statistics"}
)
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}")
_TYPED = (exception.WatcherException, ovo_exception.VersionedObjectsException)

Request = Mapping[str, Any]


class _Method(NamedTuple):
    """A method that clients may call."""

    run: Callable[..., Any]
    is_of_class: bool
    signature: Any


def methods() -> Mapping[tuple[str, str], _Method]:
    """Return the methods that clients may call, by class and name.

    These are all remotable methods, and the one that loads related objects such as ``audit.goal``.
    """
    found = {}
    for objname, cls in wire.classes().items():
        for name in dir(cls):
            run = getattr(cls, "_get_if_referenced" if name == "_obj_related" else name)
            if getattr(run, "remotable", False) or name == "_obj_related":
                of_class = getattr(run, "__self__", None) is cls
                found[objname, name] = _Method(run, of_class, wire.signature(run))
    return found


class Endpoint:
    """The interface of a server; requests and replies are JSON text.

    A reply contains a ``result`` and the changed ``object``, or an ``error``.

    :param show_deleted: allow callers to see soft-deleted objects
    """

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, show_deleted: bool = False) -> None:
        self.answered = 0
        self.refused = 0
        #: The threads that are executing a request.
        self.busy: set[int] = set()
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
        """Return an object in the versions that the caller knows."""
        return self._answer(ctxt, request, self._backport)

    def _answer(self, ctxt: Any, request: Any, run: Callable[[Any, Request], str]) -> str:
        self.answered += 1
        self.busy.add(threading.get_ident())
        within = wire.in_server.set(True)
        try:
            body = {**wire.read_request(request), "text": ascii(request)}
            with journal.because(wire.decode_reason(ctxt)):
                return run(wire.decode_context(ctxt, self._show_deleted), body)
        except _TYPED as error:
            return self._refusal(error)
        except Exception as error:
            # Without the message, which may contain stored values.
            where = "".join(traceback.format_tb(error.__traceback__))
            LOG.error("A request failed with %s:\n%s", type(error).__name__, where)
            return self._refusal(exception.RemoteFailure(method="a request"))
        finally:
            wire.in_server.reset(within)
            self.busy.discard(threading.get_ident())

    def _refusal(self, error: Exception) -> str:
        self.refused += 1
        reply: dict[str, Any] = {"error": wire.encode_error(error)}
        if isinstance(error, ovo_exception.IncompatibleObjectVersion):
            reply["versions"] = wire.supported_versions()
        return wire.write(reply, wire.MAX_ANSWER)

    def _object_action(self, context: Any, body: Request) -> str:
        obj = _object(context, body)
        method, args, kwargs = self._requested(context, body, obj.obj_name(), obj)
        manifest = _manifest(body)

        def run() -> dict[str, Any]:
            result = method.run(obj, *args, **kwargs)
            parts = {"result": result, "object": obj, "old_state": obj.old_state}
            return {name: wire.encode(value, manifest) for name, value in parts.items()}

        return self._done(body, run)

    def _class_action(self, context: Any, body: Request) -> str:
        objname = _part(body, "class", str)
        method, args, kwargs = self._requested(context, body, objname, None, context)
        manifest = _manifest(body)

        def run() -> dict[str, Any]:
            result = method.run(context, *args, **kwargs)
            return {"result": wire.encode(result, manifest)}

        return self._done(body, run)

    def _backport(self, context: Any, body: Request) -> str:
        obj = _object(context, body)
        return wire.write({"object": wire.encode(obj, _manifest(body))}, wire.MAX_ANSWER)

    def _requested(
        self, context: Any, body: Request, objname: str, *bound: Any
    ) -> tuple[_Method, Any, Any]:
        """Return the requested method and its arguments.

        :param bound: the leading arguments: the object, or the class and a context
        """
        name = _part(body, "method", str)
        method = self._methods.get((objname, name))
        if method is None or method.is_of_class != (len(bound) > 1):
            raise exception.InvalidMessage(reason=wire.NO_METHOD)
        args = wire.decode(_part(body, "args", list), context)
        kwargs = wire.decode(_part(body, "kwargs", dict), context)
        if not isinstance(kwargs, dict):
            raise exception.InvalidMessage(reason="invalid kwargs")
        try:
            method.signature.bind(*bound, *args, **kwargs)
        except TypeError as error:
            raise exception.InvalidMessage(reason=f"invalid arguments: {error}") from error
        return method, args, kwargs

    def _done(self, body: Request, run: Callable[[], dict[str, Any]]) -> str:
        """Run a method, once per idempotency key if it writes, and return the reply."""
        if body["method"] in READS:
            return wire.write(run(), wire.MAX_ANSWER)
        # Different requests with the same token have different keys.
        token = uuid.UUID(coercion.to_uuid("token", body.get("token")))

        def answer() -> str:
            try:
                with transactions.transaction():
                    return wire.write(run(), wire.MAX_ANSWER)
            except exception.DatabaseError:
                raise
            except _TYPED as error:
                return self._refusal(error)

        text = body["text"]
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return requests.execute_once(str(uuid.uuid5(token, text)), answer, fingerprint)


def _part(body: Request, name: str, kind: type) -> Any:
    if not isinstance(body.get(name), kind):
        raise exception.InvalidMessage(reason=f"invalid {name}")
    return body[name]


def _object(context: Any, body: Request) -> Any:
    obj = wire.decode(_part(body, "object", dict), context)
    if not isinstance(obj, Readable):
        raise exception.InvalidMessage(reason="invalid object")
    return obj


def _manifest(body: Request) -> Manifest:
    """Return the versions for the reply: those of the caller that this process knows."""
    requested = _part(body, "versions", dict)
    for version in requested.values():
        if not (isinstance(version, str) and _VERSION.fullmatch(version)):
            raise exception.InvalidMessage(reason="invalid versions")
    return versions.negotiate(wire.supported_versions(), requested)
