# SPDX-License-Identifier: Apache-2.0
# Generated from action.py by `tox run -e fingerprints`.
import builtins
import datetime
from typing import Any

from watcher_objects import base
from watcher_objects.action_plan import ActionPlan
from watcher_objects.states import ActionState as State
from watcher_objects.states import ActionStateTransitionManager

__all__ = ["Action", "ActionStateTransitionManager", "State"]

class Action(base.Identified, base.WatcherPersistentObject):
    id: int
    uuid: str
    action_plan_id: int
    action_type: str | None
    input_parameters: builtins.dict[str, Any] | None
    state: str | None
    parents: builtins.list[str] | None
    status_message: str | None
    action_plan: ActionPlan
    created_at: datetime.datetime | None
    updated_at: datetime.datetime | None
    deleted_at: datetime.datetime | None

    def __init__(
        self,
        context: Any = None,
        *,
        id: int = ...,
        uuid: str = ...,
        action_plan_id: int = ...,
        action_type: str | None = ...,
        input_parameters: builtins.dict[str, Any] | None = ...,
        state: str | None = ...,
        parents: builtins.list[str] | None = ...,
        status_message: str | None = ...,
        action_plan: ActionPlan = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
