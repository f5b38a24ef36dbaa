# SPDX-License-Identifier: Apache-2.0
# Generated from action_plan.py by `tox run -e fingerprints`.
import builtins
import datetime
from typing import Any, Self

from watcher_objects import base
from watcher_objects.audit import Audit
from watcher_objects.states import ActionPlanState as State
from watcher_objects.states import ActionPlanStateTransitionManager
from watcher_objects.strategy import Strategy

__all__ = ["ActionPlan", "ActionPlanStateTransitionManager", "State"]

class ActionPlan(base.Identified, base.WatcherPersistentObject):
    id: int
    uuid: str
    audit_id: int
    strategy_id: int
    state: str | None
    global_efficacy: builtins.list[Any] | None
    hostname: str | None
    audit: Audit
    strategy: Strategy
    status_message: str | None
    created_at: datetime.datetime | None
    updated_at: datetime.datetime | None
    deleted_at: datetime.datetime | None

    def __init__(
        self,
        context: Any = None,
        *,
        id: int = ...,
        uuid: str = ...,
        audit_id: int = ...,
        strategy_id: int = ...,
        state: str | None = ...,
        global_efficacy: builtins.list[Any] | None = ...,
        hostname: str | None = ...,
        audit: Audit = ...,
        strategy: Strategy = ...,
        status_message: str | None = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
    @classmethod
    @base.remotable
    def supersede_expired(cls, context: Any, hours: float) -> list[Self]: ...
