# SPDX-License-Identifier: Apache-2.0
"""What goes between client and server: JSON text, whose bounds are looked at before it is read.

oslo.messaging carries a request and its answer as one string each. Objects are primitives, at
the versions that the other side knows; errors are their names, messages and attributes.
Nothing in a message is evaluated, unpickled or imported by its name.
"""

import contextvars
import datetime
import decimal
import inspect
import json
import uuid
from collections.abc import Mapping
from typing import Any

from oslo_context.context import RequestContext
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import bounds, exception, versions
from watcher_objects.base import WatcherObject, WatcherPersistentObject
from watcher_objects.field_types import DateTime
from watcher_objects.versions import Manifest

#: Bytes of a request, which has room for an object of two documents, and of an answer.
MAX_REQUEST = 6 * 2**20
MAX_ANSWER = 64 * 2**20
#: Levels of nesting, of which a document may have 100.
MAX_DEPTH = bounds.MAX_DEPTH + 50

#: What of a caller's context is told; never its token.
_TOLD = (
    *("user_id", "project_id", "domain_id", "user_domain_id", "project_domain_id"),
    *("request_id", "global_request_id", "is_admin", "show_deleted"),
)
_ERRORS: Mapping[str, type[Exception]] = {
    name: cls
    for module in (exception, ovo_exception)
    for name, cls in vars(module).items()
    if isinstance(cls, type)
    and issubclass(cls, exception.WatcherException | ovo_exception.VersionedObjectsException)
}
_KINDS: Mapping[str, Any] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}

#: Whether this thread is in a server's call, which runs methods itself.
serving: contextvars.ContextVar[bool] = contextvars.ContextVar("serving", default=False)


def classes() -> dict[str, type[WatcherPersistentObject]]:
    """Return the classes of objects that are stored, by name."""
    newest = (known[0] for known in ovo.VersionedObjectRegistry.obj_classes().values())
    return {c.obj_name(): c for c in newest if issubclass(c, WatcherPersistentObject)}


def spoken() -> Manifest:
    """Return the versions that this process speaks best."""
    return {name: cls.VERSION for name, cls in classes().items()}


def signature(method: Any) -> inspect.Signature:
    """Return the signature of a method that may be asked for, with self or cls and context."""
    return inspect.signature(getattr(method, "original_fn", None) or method.__func__)


def read_request(text: Any) -> dict[str, Any]:
    """Return what somebody asks, whoever that is.

    :raises InvalidMessage: it is too large, too deep, or no JSON object
    """
    if not isinstance(text, str):
        raise exception.InvalidMessage(reason="it is no text")
    try:
        bounds.check(text, MAX_REQUEST, MAX_DEPTH)
    except ValueError as error:
        raise exception.InvalidMessage(reason=str(error)) from None
    return read(text)


def read(text: str) -> dict[str, Any]:
    """Return what a message says of somebody who is trusted.

    :raises InvalidMessage: it is no JSON object
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise exception.InvalidMessage(reason="it is no JSON") from None
    if not isinstance(said, dict):
        raise exception.InvalidMessage(reason="it is no JSON object")
    return said


def write(said: Mapping[str, Any], most: int) -> str:
    """Return a message.

    :raises InvalidMessage: it is too large
    """
    text = json.dumps(said)
    if len(text) > most:
        raise exception.InvalidMessage(reason=f"it would be longer than {most} characters")
    return text


def encode(value: Any, manifest: Manifest) -> Any:
    """Return a value as JSON has it, with objects at the versions of a manifest.

    :raises InvalidParameter: JSON has nothing for it
    :raises NoOlderForm, UnsupportedError: an object has no form there
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, WatcherObject):
        return value.obj_to_primitive(versions.of(value.obj_name(), manifest), manifest)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): encode(item, manifest) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(item, manifest) for item in value]
    if isinstance(value, datetime.datetime):
        return DateTime().stringify(value)
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    allowed = f"objects or what JSON can tell, not {type(value).__name__}"
    raise exception.InvalidParameter(parameter="an argument", parameter_type=allowed)


def decode(value: Any, context: Any) -> Any:
    """Return what :func:`encode` was given; tuples and sets are lists, times are text."""
    if isinstance(value, list):
        return [decode(item, context) for item in value]
    if isinstance(value, dict):
        if WatcherObject._obj_primitive_key("name") in value:
            return WatcherObject.obj_from_primitive(value, context)
        return {key: decode(item, context) for key, item in value.items()}
    return value


def encode_error(error: Exception) -> dict[str, Any]:
    """Return an error of this library, or of oslo.versionedobjects, with its attributes."""
    known = next(cls for cls in type(error).__mro__ if cls.__name__ in _ERRORS)
    attributes = {
        name: {"dict": {str(key): _plain(item) for key, item in value.items()}}
        if isinstance(value, Mapping)
        else _plain(value)
        for name, value in vars(error).items()
    }
    return {"name": known.__name__, "message": str(error), "attributes": attributes}


def decode_error(told: Mapping[str, Any]) -> Exception:
    """Return an error as it was raised."""
    cls = _ERRORS.get(told["name"], exception.WatcherException)
    error: Exception = cls.__new__(cls, told["message"])
    vars(error).update({name: _again(value) for name, value in told["attributes"].items()})
    return error


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    kind = type(value).__name__
    if kind in _KINDS:
        return {kind: [_plain(item) for item in value]}
    return value if isinstance(value, str) and len(value) <= 500 else exception.shown(value)


def _again(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, items),) = value.items()
    if kind == "dict":
        return {key: _again(item) for key, item in items.items()}
    return _KINDS[kind](_again(item) for item in items)


def encode_context(context: Any) -> dict[str, Any]:
    """Return what is told of a caller's context."""
    told = {name: getattr(context, name, None) for name in _TOLD}
    return {name: value for name, value in told.items() if isinstance(value, str | bool)}


def decode_context(told: Mapping[str, Any], show_deleted: bool) -> RequestContext:
    """Return a context.

    :param show_deleted: whether the caller may see what is deleted, if it asks for that
    """
    known = {name: told[name] for name in _TOLD if isinstance(told.get(name), str | bool)}
    known["show_deleted"] = show_deleted and known.get("show_deleted") is True
    return RequestContext(**known)
