# SPDX-License-Identifier: Apache-2.0
"""The clock that the library reads."""

import datetime
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from oslo_utils import timeutils


def standing_at(moment: str | datetime.datetime) -> AbstractContextManager[Any]:
    """Stop the clock at a time inside the block."""
    now = datetime.datetime.fromisoformat(str(moment))
    return mock.patch.object(timeutils, "utcnow", return_value=now)
