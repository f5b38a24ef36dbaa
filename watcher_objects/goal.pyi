# SPDX-License-Identifier: Apache-2.0
# Generated from goal.py by `tox run -e fingerprints`.
import builtins
import datetime
from typing import Any

from watcher_objects import base

class Goal(base.Identified, base.Named, base.WatcherPersistentObject):
    id: int
    uuid: str
    name: str
    display_name: str
    efficacy_specification: builtins.list[Any]
    created_at: datetime.datetime | None
    updated_at: datetime.datetime | None
    deleted_at: datetime.datetime | None

    def __init__(
        self,
        context: Any = None,
        *,
        id: int = ...,
        uuid: str = ...,
        name: str = ...,
        display_name: str = ...,
        efficacy_specification: builtins.list[Any] = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
