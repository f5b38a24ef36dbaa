# SPDX-License-Identifier: Apache-2.0
# Generated from audit_template.py by `tox run -e fingerprints`.
import builtins
import datetime
from typing import Any

from watcher_objects import base
from watcher_objects.goal import Goal
from watcher_objects.strategy import Strategy

class AuditTemplate(base.Identified, base.Named, base.WatcherPersistentObject):
    id: int
    uuid: str
    name: str
    description: str | None
    scope: builtins.list[Any] | None
    default_parameters: builtins.dict[str, Any] | None
    goal_id: int
    strategy_id: int | None
    goal: Goal
    strategy: Strategy | None
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
        description: str | None = ...,
        scope: builtins.list[Any] | None = ...,
        default_parameters: builtins.dict[str, Any] | None = ...,
        goal_id: int = ...,
        strategy_id: int | None = ...,
        goal: Goal = ...,
        strategy: Strategy | None = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
