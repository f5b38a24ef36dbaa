# SPDX-License-Identifier: Apache-2.0
# Generated from action_description.py by `tox run -e fingerprints`.
import datetime
from typing import Any, Self

from watcher_objects import base

class ActionDescription(base.WatcherPersistentObject):
    id: int
    action_type: str
    description: str
    created_at: datetime.datetime | None
    updated_at: datetime.datetime | None
    deleted_at: datetime.datetime | None

    def __init__(
        self,
        context: Any = None,
        *,
        id: int = ...,
        action_type: str = ...,
        description: str = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
    @classmethod
    @base.remotable
    def get_by_type(cls, context: Any, action_type: str) -> Self: ...
