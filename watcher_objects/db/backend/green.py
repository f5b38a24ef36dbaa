# SPDX-License-Identifier: Apache-2.0
"""Green threads: whether eventlet or gevent has patched the standard library."""

import socket
import sys
from typing import Any

from watcher_objects import exception

# Modules to be patched together or not at all: by half of them green threads deadlock.
_MODULES = ("select", "socket", "threading", "time")
# What eventlet calls them where it differs.
_OF_EVENTLET = {"threading": "thread", "_thread": "thread"}


def patched(module: str) -> str | None:
    """Return which library has replaced the blocking calls of a module, or None."""
    # A library that nobody has imported has replaced nothing.
    eventlet, gevent = sys.modules.get("eventlet.patcher"), sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched(module):
        return "gevent"
    if eventlet is not None and eventlet.is_monkey_patched(_OF_EVENTLET.get(module, module)):
        return "eventlet"
    return None


def original(module: str, name: str) -> Any:
    """Return an attribute of a module before it was patched."""
    by = patched(module)
    if by == "gevent":
        return sys.modules["gevent.monkey"].get_original(module, name)
    if by == "eventlet":
        return getattr(sys.modules["eventlet.patcher"].original(module), name)
    return getattr(sys.modules[module], name)


_native_thread = original("_thread", "get_ident")


class Patching:
    """The library that has patched the process, and so the locks and sockets of a pool.

    :raises DatabaseError: some of the modules that block are patched and others are not
    """

    def __init__(self) -> None:
        found = {module: patched(module) for module in _MODULES}
        #: The library, or None.
        self.by = next(filter(None, found.values()), None)
        self._socket, self._thread = socket.socket, _native_thread()
        if missing := [module for module in _MODULES if found[module] != self.by]:
            reason = f"{self.by} has not patched {', '.join(missing)}; patch all or nothing"
            raise exception.DatabaseError(reason=reason)

    def check(self) -> None:
        """Reject a pool of another kind than what runs: in it green threads would deadlock.

        :raises DatabaseError: a library has patched the process since; or the caller is in
            another native thread, where locks and sockets of green threads do not work
        """
        reason = None
        if socket.socket is not self._socket and (by := patched("socket")) != self.by:
            reason = f"{by} has patched this process since db.configure(); call it again"
        elif self.by and _native_thread() != self._thread:
            reason = f"with {self.by}, calls are made in the native thread of db.configure()"
        if reason is not None:
            raise exception.DatabaseError(reason=reason)
