# SPDX-License-Identifier: Apache-2.0
# Generated from strategy.py by `tox run -e fingerprints`.
import builtins
import datetime
from typing import Any

from watcher_objects import base
from watcher_objects.goal import Goal

class Strategy(base.Identified, base.Named, base.WatcherPersistentObject):
    id: int
    uuid: str
    name: str
    display_name: str
    goal_id: int
    parameters_spec: builtins.dict[str, Any] | None
    goal: Goal
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
        goal_id: int = ...,
        parameters_spec: builtins.dict[str, Any] | None = ...,
        goal: Goal = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
