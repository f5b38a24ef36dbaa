# SPDX-License-Identifier: Apache-2.0
# Generated from service.py by `tox run -e fingerprints`.
import datetime
from typing import Any

from watcher_objects import base
from watcher_objects.states import ServiceStatus

__all__ = ["Service", "ServiceStatus"]

class Service(base.Named, base.WatcherPersistentObject):
    id: int
    name: str
    host: str
    last_seen_up: datetime.datetime | None
    created_at: datetime.datetime | None
    updated_at: datetime.datetime | None
    deleted_at: datetime.datetime | None

    def __init__(
        self,
        context: Any = None,
        *,
        id: int = ...,
        name: str = ...,
        host: str = ...,
        last_seen_up: datetime.datetime | None = ...,
        created_at: datetime.datetime | None = ...,
        updated_at: datetime.datetime | None = ...,
        deleted_at: datetime.datetime | None = ...,
    ) -> None: ...
