# SPDX-License-Identifier: Apache-2.0
# Generated from scoring_engine.py by `tox run -e fingerprints`.
import datetime
from typing import Any

from watcher_objects import base

class ScoringEngine(base.Identified, base.Named, base.WatcherPersistentObject):
    id: int
    uuid: str
    name: str
    description: str | None
    metainfo: str | None
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
        metainfo: str | None = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
