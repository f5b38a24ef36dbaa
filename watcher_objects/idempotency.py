# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys: work that is done once, however often it is requested.

::

    with idempotency.once(key, scope=context.project_id, fingerprint=body) as call:
        if not call.is_repeat:
            audit.create()
            call.answer = {"uuid": audit.uuid}
    return call.answer
"""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

from watcher_objects import exception
from watcher_objects.db import requests
from watcher_objects.fields import coercion, json_limits

# Of the uuids that stand for a scope and a key.
_NAMESPACE = uuid.UUID("1f6b6e52-6a0e-5c0c-9a43-3d1c1f9f8a55")


class Call:
    """A call with an idempotency key, inside the block of :func:`once`."""

    def __init__(self, slot: requests.Slot) -> None:
        self._slot = slot
        self._answer = json.loads(slot.answer or "null")

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier call with the key has done the work."""
        return self._slot.is_repeat

    @property
    def answer(self) -> Any:
        """The answer of the first call, a JSON value; None until the first call sets it.

        A first call that sets no answer is done as well: repeats get None.
        """
        return self._answer

    @answer.setter
    def answer(self, value: Any) -> None:
        if self.is_repeat:
            allowed = "set by the first call only"
            raise exception.InvalidParameter(parameter="answer", parameter_type=allowed)
        _encode(value)
        self._answer = value


@contextlib.contextmanager
def once(key: str, *, scope: str | None = None, fingerprint: Any = None) -> Iterator[Call]:
    """Do the work of the block once for a key, and store its answer.

    The block is a transaction, as with :func:`watcher_objects.db.transaction`: what it writes and
    the answer are committed together, or if it raises an error, neither is, and the key may be
    used again. A second caller waits for the first, and gets its answer. In a repeat nothing is
    stored with the key, and the block is not a transaction. Inside another transaction the answer
    is stored if that is committed.

    If COMMIT is not answered, the key is read: if it is stored, the block ends normally.
    Otherwise repeat the call with the same key.

    :param key: the key, a text of any length
    :param scope: a text that keeps equal keys apart, such as those of two projects
    :param fingerprint: the request, or the part of it that repeats have in common: bytes, or a
        JSON value; a digest is stored. None is not compared
    :raises InvalidParameter: an argument, or the answer, is invalid
    :raises KeyReused: the key belongs to a request with another fingerprint, or the block is
        inside one with the same key
    :raises DatabaseUnavailable: nothing happened; in particular the first caller has not finished
        within the time given to :func:`watcher_objects.db.configure`
    :raises OutcomeUnknown: COMMIT was not answered, and the key is not stored, or not yet
    """
    _check_text("key", key)
    if scope is not None:
        _check_text("scope", scope, allow_empty=True)
    text = json.dumps([scope, key])
    token = requests.PREFIX + uuid.uuid5(_NAMESPACE, text).hex
    with requests.keyed(token, _digest(fingerprint), key) as slot:
        call = Call(slot)
        yield call
        if not slot.is_repeat:
            slot.answer = _encode(call.answer)


def forget(older_than: float) -> int:
    """Remove keys that were first used that many seconds ago, and return their number.

    Afterwards they may be used again. Keys of requests over RPC are removed by the servers.

    :raises InvalidValue: it is not a number of seconds
    """
    return requests.forget(coercion.ago("older_than", older_than, "seconds"))


def _check_text(parameter: str, value: Any, allow_empty: bool = False) -> None:
    if not isinstance(value, str) or "\0" in value or not (value or allow_empty):
        allowed = f"text without NUL{'' if allow_empty else ', at least one character'}"
        got = "" if isinstance(value, str) else f", got {type(value).__name__}"
        raise exception.InvalidParameter(parameter=parameter, parameter_type=allowed + got)


def _encode(value: Any) -> str:
    """Return the text of an answer that JSON represents faithfully."""
    allowed = "a JSON value with text as keys"
    try:
        text = json.dumps(value, allow_nan=False)
        json_limits.check(text)
        if json.loads(text) == value:
            return text
    except ValueError as error:
        allowed += f": {error}"
    except (TypeError, RecursionError):
        pass
    raise exception.InvalidParameter(parameter="answer", parameter_type=allowed) from None


def _digest(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, bytes | bytearray | memoryview):
        try:
            value = json.dumps(value, sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            allowed = "bytes or a JSON value"
            raise exception.InvalidParameter(
                parameter="fingerprint", parameter_type=allowed
            ) from None
    return hashlib.sha256(value).hexdigest()
