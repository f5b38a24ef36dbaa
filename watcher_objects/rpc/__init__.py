# SPDX-License-Identifier: Apache-2.0
"""Remotable methods that a server executes, over oslo.messaging."""

from watcher_objects.rpc.client import disable, enable

__all__ = ["disable", "enable"]
