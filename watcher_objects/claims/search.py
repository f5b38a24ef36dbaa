# SPDX-License-Identifier: Apache-2.0
"""How a worker looks for objects to claim."""

import logging
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

from watcher_objects import exception
from watcher_objects.claims.lease import Lease
from watcher_objects.db.claims import Kind

LOG = logging.getLogger(__name__)

#: The errors after which a worker looks again: of the database, and of the way to its server.
TEMPORARY = (
    exception.DatabaseUnavailable,
    exception.ReplyTimeout,
    exception.ServerUnavailable,
)

#: Seconds between two looks while there is nothing to claim: at first, and at most.
POLL, LONGEST_POLL = 0.05, 0.15
#: At most where the database notifies workers, or each look is a request to a server.
RARE_POLL = 1.0
#: By what the time between two looks is multiplied: by requests it remains about a twentieth of
#: the time for which there has been nothing to claim.
GROWTH, REMOTE_GROWTH = 1.5, 1.05
#: Seconds between two looks for continuous audits that are due, while there is other work.
DUE = 1.0
#: Seconds between two looks for what can be taken over, at most; else a third of the ttl.
TAKEOVER = 5.0
#: Seconds after which the rows before the last one that was claimed are looked at again.
LOOK_BACK = 5.0
#: How often an object is claimed, and the state in which it ends then, unless a caller says so.
ATTEMPTS, THEN = 3, "FAILED"


class Search:
    """A worker's search for objects of a class; the parameters are those of ``Worker.claims``."""

    def __init__(
        self,
        worker: Any,
        cls: Any,
        filters: Mapping[str, Any] | None = None,
        batch: int = 1,
        attempts: int = ATTEMPTS,
        then: str = THEN,
    ) -> None:
        self.worker, self.cls, self.filters = worker, cls, filters
        self.name: str = cls.obj_name()
        self.batch = batch
        self.attempts = attempts
        self.then = then
        self._is_continuous = "next_run_time" in cls.table.columns
        self._after = 0
        self._looks_back_at = self._takes_over_at = self._looks_for_due_at = 0.0
        self._pause = POLL

    def run(self) -> Iterator[Lease]:
        """Yield leases, and wait where there is nothing to claim."""
        for leases in self.batches():
            leases.reverse()
            try:
                while leases and not self.worker.stopping:
                    if leases[-1].is_over:
                        leases.pop()
                    else:
                        # No name refers to it here: a caller that drops it gives it back.
                        yield leases.pop()
            finally:
                for lease in reversed(leases):
                    lease._give_back_uncounted()

    def batches(self) -> Iterator[list[Lease]]:
        """Yield the leases of each claim, and wait where there is nothing to claim."""
        heartbeat = self.worker._running()
        while not heartbeat.stopping:
            if leases := self._found():
                self._pause = POLL
                yield leases
                continue
            is_woken = heartbeat.wait(self._pause)
            self._pause = POLL if is_woken else self._longer(heartbeat.is_notified)

    def _longer(self, is_notified: bool) -> float:
        """Return how long to wait, in seconds, after another look that has found nothing."""
        if self.worker._is_remote:
            return min(self._pause * REMOTE_GROWTH, RARE_POLL)
        return min(self._pause * GROWTH, RARE_POLL if is_notified else LONGEST_POLL)

    def _found(self) -> list[Lease]:
        try:
            return self.next()
        except TEMPORARY as error:
            LOG.warning("Looking for work failed: %s", error)
            return []

    def next(self) -> list[Lease]:
        """Return leases on up to ``batch`` objects of whatever kind.

        :raises WorkerLost: the worker is dead
        """
        now = time.monotonic()
        if now >= self._takes_over_at:
            # Workers that were started together do not look at the same time for ever.
            jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            self._takes_over_at = now + min(self.worker.ttl / 3, TAKEOVER) * jitter
            if leases := self.take_over():
                # There may be more.
                self._takes_over_at = now
                return leases
        is_idle = self._pause > POLL
        if self._is_continuous and (is_idle or now >= self._looks_for_due_at):
            self._looks_for_due_at = now + DUE
            if leases := self.claim(Kind.DUE):
                return leases
        return self.claim(Kind.WAITING)

    def claim(self, kind: Kind) -> list[Lease]:
        """Return leases on objects that wait or are due."""
        after = self._position() if kind is Kind.WAITING else 0
        args = (self.name, kind.value, self.batch, self.filters, after)
        leases = self.worker._leases(self.name, lambda: self.worker.claim(*args))
        if kind is Kind.WAITING:
            self._after = max((lease.object.id for lease in leases), default=0)
        return leases

    def _position(self) -> int:
        """Return the id after which to look.

        PostgreSQL would read all that was claimed lately again while an old snapshot is open.
        """
        if (now := time.monotonic()) >= self._looks_back_at:
            self._looks_back_at, self._after = now + LOOK_BACK, 0
        return self._after

    def take_over(self) -> list[Lease]:
        """Return leases on objects that dead workers have left; end those without attempts."""
        args = (self.name, self.batch, self.attempts, self.then, self.filters)
        return self.worker._leases(self.name, lambda: self.worker.take_over(*args))
