# SPDX-License-Identifier: Apache-2.0
# Generated from audit.py by `tox run -e fingerprints`.
import builtins
import datetime
from collections.abc import Mapping
from typing import Any, Self

from watcher_objects import base
from watcher_objects.goal import Goal
from watcher_objects.states import AuditStateTransitionManager, AuditType, State
from watcher_objects.strategy import Strategy

__all__ = ["Audit", "AuditStateTransitionManager", "AuditType", "State"]

class Audit(base.Identified, base.Named, base.WatcherPersistentObject):
    id: int
    uuid: str
    name: str
    audit_type: str
    state: str
    parameters: builtins.dict[str, Any] | None
    interval: str | None
    scope: builtins.list[Any] | None
    goal_id: int
    strategy_id: int | None
    auto_trigger: bool
    next_run_time: datetime.datetime | None
    hostname: str | None
    start_time: datetime.datetime | None
    end_time: datetime.datetime | None
    force: bool
    goal: Goal
    strategy: Strategy | None
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
        name: str = ...,
        audit_type: str = ...,
        state: str = ...,
        parameters: builtins.dict[str, Any] | None = ...,
        interval: str | None = ...,
        scope: builtins.list[Any] | None = ...,
        goal_id: int = ...,
        strategy_id: int | None = ...,
        auto_trigger: bool = ...,
        next_run_time: datetime.datetime | None = ...,
        hostname: str | None = ...,
        start_time: datetime.datetime | None = ...,
        end_time: datetime.datetime | None = ...,
        force: bool = ...,
        goal: Goal = ...,
        strategy: Strategy | None = ...,
        status_message: str | None = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
    @classmethod
    @base.remotable
    def get(cls, context: Any, audit_id: int | str, eager: bool = False) -> Self: ...
    @classmethod
    @base.remotable
    def get_by_id(cls, context: Any, audit_id: int | str, eager: bool = False) -> Self: ...
    @classmethod
    @base.remotable
    def get_by_uuid(cls, context: Any, uuid: str, eager: bool = False) -> Self: ...
    @classmethod
    @base.remotable
    def get_by_name(cls, context: Any, name: str, eager: bool = False) -> Self: ...
    @classmethod
    @base.remotable
    def list(
        cls,
        context: Any,
        limit: int | None = None,
        marker: Self | int | str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
        eager: bool = False,
    ) -> builtins.list[Self]: ...
    @base.remotable
    def refresh(self, eager: bool = False) -> None: ...
    @base.remotable
    def create(self) -> None: ...
    @base.remotable
    def save(self) -> None: ...
    @base.remotable
    def soft_delete(self) -> None: ...
    @base.remotable
    def destroy(self) -> None: ...
