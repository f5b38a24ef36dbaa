# SPDX-License-Identifier: Apache-2.0
"""A process that waits for audits, or creates them: of ours alone."""

import random
import threading
import time
import uuid

from benchmarks import worker
from benchmarks.implementations.ours import Ours
from watcher_objects import ActionPlan, Audit, Worker
from watcher_objects.db import wakeups

#: Seconds between two creates, at least and at most.
PAUSES = 0.1, 0.5


class Waking:
    """The two sides of a wake-up."""

    def __init__(self, implementation: Ours, url: str) -> None:
        self.context = implementation.context

    def claim(self, seconds: float, audits: bool = True) -> dict[str, float]:
        """Claim what is created for so long, and return when each object was claimed."""
        moments = {}
        with Worker(self.context) as one:
            threading.Timer(seconds, one.stop).start()
            for lease in one.claims(Audit if audits else ActionPlan):
                moments[lease.object.uuid] = time.monotonic()
                lease.finish("SUCCEEDED")
        return moments

    def _create(self) -> str:
        audit = Audit(self.context, name=str(uuid.uuid4()), audit_type="ONESHOT", goal_id=1)
        audit.create()
        return str(audit.uuid)

    def create(self, number: int, after: float) -> dict[str, float]:
        """Create audits now and then, and return when the creation of each was begun."""
        moments = {}
        time.sleep(after)
        for _ in range(number):
            time.sleep(random.uniform(*PAUSES))  # noqa: S311 - no secret
            begun = time.monotonic()
            moments[self._create()] = begun
        return moments

    def write(self, seconds: float, notifies: bool) -> float:
        """Return how many audits a second are created, one after the other."""
        interval = wakeups.INTERVAL
        wakeups.INTERVAL = interval if notifies else float("inf")
        done, begun = 0, time.monotonic()
        while time.monotonic() < begun + seconds:
            self._create()
            done += 1
        wakeups.INTERVAL = interval
        return done / (time.monotonic() - begun)


if __name__ == "__main__":
    worker.serve(Ours, Waking)
