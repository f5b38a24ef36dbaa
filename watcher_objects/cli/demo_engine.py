# SPDX-License-Identifier: Apache-2.0
"""An engine of the demo, which is a process of its own: ``python -m ... URL NAME``."""

import os
import sys
import threading
from contextlib import suppress

from oslo_context.context import RequestContext

from watcher_objects import Audit, claims, db, exception
from watcher_objects.audit import State

#: Seconds after its last heartbeat for which an engine is taken to be alive.
TTL = 1


def run(url: str, name: str) -> None:
    """Claim audits and finish them, until the process that started this one ends its input."""
    db.configure(url)
    stop = threading.Event()
    with claims.Worker(RequestContext(user_id=name), host="compute-7", ttl=TTL) as worker:

        def watch() -> None:
            os.read(sys.stdin.fileno(), 1)
            stop.set()
            worker.stop()

        threading.Thread(target=watch, daemon=True).start()
        for lease in worker.claims(Audit):
            # The demo kills the process before the end of the first attempt.
            stop.wait(60 if lease.attempts == 1 else 0.1)
            lease.finish(State.SUCCEEDED)


if __name__ == "__main__":
    while True:
        # On a busy host a heartbeat may be late: the engine begins anew as another worker.
        with suppress(exception.WorkerLost, exception.LeaseLost):
            run(*sys.argv[1:])
            break
