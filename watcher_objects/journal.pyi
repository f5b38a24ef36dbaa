# SPDX-License-Identifier: Apache-2.0
# Generated from journal.py by `tox run -e fingerprints`.
import datetime
from typing import Any, Self

from watcher_objects import base, exception
from watcher_objects.db.sql.journal import because as because
from watcher_objects.db.sql.queries import Key
from watcher_objects.persistence.reading import Readable

__all__ = ["Transition", "because"]

class Transition(Readable, base.WatcherObject, base.WatcherObjectDictCompat):
    id: int
    resource: str
    object_id: int | None
    object_uuid: str | None
    seq: int
    from_state: str | None
    to_state: str | None
    at: datetime.datetime
    host: str | None
    user_id: str | None
    project_id: str | None
    request_id: str | None
    kind: str
    reason: str | None
    call: str | None

    def __init__(
        self,
        context: Any = None,
        *,
        id: int = ...,
        resource: str = ...,
        object_id: int | None = ...,
        object_uuid: str | None = ...,
        seq: int = ...,
        from_state: str | None = ...,
        to_state: str | None = ...,
        at: datetime.datetime = ...,
        host: str | None = ...,
        user_id: str | None = ...,
        project_id: str | None = ...,
        request_id: str | None = ...,
        kind: str = ...,
        reason: str | None = ...,
        call: str | None = ...,
    ) -> None: ...
    @classmethod
    def of(cls, context: Any, obj: Any, limit: int | None = None) -> list[Self]: ...
    @classmethod
    def latest(cls, context: Any, obj: Any) -> Self | None: ...
    @property
    def gap(self) -> bool: ...
    @classmethod
    def _not_found(cls, key: Key) -> exception.ResourceNotFound: ...
    @classmethod
    def _find_state_before(cls, step: Any) -> str | None: ...
    @classmethod
    def _from_rows(cls, context: Any, found: Any) -> Any: ...
