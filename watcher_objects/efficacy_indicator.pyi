# SPDX-License-Identifier: Apache-2.0
# Generated from efficacy_indicator.py by `tox run -e fingerprints`.
import datetime
from typing import Any

from watcher_objects import base

class EfficacyIndicator(base.Identified, base.Named, base.WatcherPersistentObject):
    id: int
    uuid: str
    action_plan_id: int
    name: str
    description: str | None
    unit: str | None
    value: float
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
        name: str = ...,
        description: str | None = ...,
        unit: str | None = ...,
        value: float = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
