# SPDX-License-Identifier: Apache-2.0
"""The format of requests and replies: JSON text, whose size is checked before it is decoded.

oslo.messaging transmits a request and its reply as one string each. Objects are primitives in
versions that the other side knows; errors consist of name, message and attributes. Nothing in a
message is evaluated, unpickled or imported by name.
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

from watcher_objects import exception, versions
from watcher_objects.base import WatcherObject
from watcher_objects.db.sql import journal
from watcher_objects.fields import json_limits
from watcher_objects.fields.field_types import DateTime
from watcher_objects.persistence.reading import Readable
from watcher_objects.versions import Manifest

#: The maximum size in bytes of a request, enough for two JSON fields, and of a reply.
MAX_REQUEST = 6 * 2**20
MAX_ANSWER = 64 * 2**20
#: The maximum nesting depth; JSON fields are limited to 100 levels.
MAX_DEPTH = json_limits.MAX_DEPTH + 50

#: The attributes of a context that are transmitted; never the token.
_CONTEXT_ATTRIBUTES = (
    *("user_id", "project_id", "domain_id", "user_domain_id", "project_domain_id"),
    *("request_id", "global_request_id", "is_admin", "show_deleted"),
)
_REASON = "journal_reason"
#: What a server says of a method that it does not have; a client of another release reads it.
NO_METHOD = "it names no method that may be called"
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

#: Whether this thread is executing a request of a server, which runs methods itself.
in_server: contextvars.ContextVar[bool] = contextvars.ContextVar("serving", default=False)


def classes() -> dict[str, type[Any]]:
    """Return the classes of objects that are stored, by name."""
    newest = (known[0] for known in ovo.VersionedObjectRegistry.obj_classes().values())
    return {cls.obj_name(): cls for cls in newest if issubclass(cls, Readable)}


def supported_versions() -> Manifest:
    """Return the newest versions that this process supports."""
    return {name: cls.VERSION for name, cls in classes().items()}


def signature(method: Any) -> inspect.Signature:
    """Return the signature of a remotable method, including self, or cls and context."""
    return inspect.signature(getattr(method, "original_fn", None) or method.__func__)


def read_request(text: Any) -> dict[str, Any]:
    """Return a decoded message from an untrusted sender.

    :raises InvalidMessage: it is too large, too deeply nested, or not a JSON object
    """
    if not isinstance(text, str):
        raise exception.InvalidMessage(reason="it is not text")
    try:
        json_limits.check(text, MAX_REQUEST, MAX_DEPTH)
    except ValueError as error:
        raise exception.InvalidMessage(reason=str(error)) from None
    return read(text)


def read(text: str) -> dict[str, Any]:
    """Return a decoded message from a trusted sender.

    :raises InvalidMessage: it is not a JSON object
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise exception.InvalidMessage(reason="it is not JSON") from None
    if not isinstance(message, dict):
        raise exception.InvalidMessage(reason="it is not a JSON object")
    return message


def write(message: Mapping[str, Any], limit: int) -> str:
    """Return an encoded message.

    :raises InvalidMessage: it is too large
    """
    text = json.dumps(message)
    if len(text) > limit:
        raise exception.InvalidMessage(reason=f"it would be longer than {limit} characters")
    return text


def encode(value: Any, manifest: Manifest) -> Any:
    """Return a value in a form that JSON can represent, with objects in a manifest's versions.

    :raises InvalidParameter: JSON cannot represent the value
    :raises NoOlderForm, UnsupportedError: an object cannot be represented in its version
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
    allowed = f"an object or a JSON value, not {type(value).__name__}"
    raise exception.InvalidParameter(parameter="an argument", parameter_type=allowed)


def decode(value: Any, context: Any) -> Any:
    """Return the value that was encoded; tuples and sets become lists, times become text."""
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


def decode_error(encoded: Mapping[str, Any]) -> Exception:
    """Return a decoded error."""
    cls = _ERRORS.get(encoded["name"], exception.WatcherException)
    error: Exception = cls.__new__(cls, encoded["message"])
    vars(error).update({name: _again(value) for name, value in encoded["attributes"].items()})
    return error


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    kind = type(value).__name__
    if kind in _KINDS:
        return {kind: [_plain(item) for item in value]}
    return value if isinstance(value, str) and len(value) <= 500 else exception.safe_repr(value)


def _again(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, items),) = value.items()
    if kind == "dict":
        return {key: _again(item) for key, item in items.items()}
    return _KINDS[kind](_again(item) for item in items)


def encode_context(context: Any) -> dict[str, Any]:
    """Return the encoded attributes of a caller's context, and the reason for the journal."""
    values = {name: getattr(context, name, None) for name in _CONTEXT_ATTRIBUTES}
    values[_REASON] = journal.current_reason()
    return {name: value for name, value in values.items() if isinstance(value, str | bool)}


def decode_reason(encoded: Mapping[str, Any]) -> str | None:
    """Return the reason that the caller gives the journal."""
    reason = encoded.get(_REASON)
    return reason if isinstance(reason, str) else None


def decode_context(encoded: Mapping[str, Any], show_deleted: bool) -> RequestContext:
    """Return a decoded context.

    :param show_deleted: whether the caller may see soft-deleted objects
    """
    names = (n for n in _CONTEXT_ATTRIBUTES if isinstance(encoded.get(n), str | bool))
    known = {name: encoded[name] for name in names}
    known["show_deleted"] = show_deleted and known.get("show_deleted") is True
    return RequestContext(**known)
