# SPDX-License-Identifier: Apache-2.0
"""Objects whose methods run on a server, over oslo.messaging."""

from watcher_objects.rpc.client import disable, enable

__all__ = ["disable", "enable"]
