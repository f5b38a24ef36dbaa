# SPDX-License-Identifier: Apache-2.0
"""What a worker does in the background: it sends heartbeats, and compares what it holds."""

import collections
import contextvars
import functools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from watcher_objects import exception
from watcher_objects.claims.lease import Lease
from watcher_objects.db import wakeups
from watcher_objects.db.backend import database
from watcher_objects.db.transactions import levels

LOG = logging.getLogger(__name__)

#: Seconds for which the database is listened to at once, and before it is connected to again.
HEARD, RECONNECT = 0.5, 5.0
#: The class, the uuid and the token of a lease.
Key = tuple[str, str, int]
#: Sends a heartbeat, and returns the keys of what the database says that the worker holds.
Beat = Callable[[], Sequence[Key]]
#: Returns the states of objects by their uuids, of those that there are; it gets their class.
States = Callable[[str, Sequence[str]], Mapping[str, str]]


class Heartbeat:
    """The leases of a worker, and the thread that keeps the worker alive.

    With each heartbeat it compares the leases with the rows. What it holds without knowing, as
    the answer to a claim was lost, it gives back: otherwise its heartbeats would keep alive what
    nobody works on.

    :param beat: sends one heartbeat
    :param give_back: gives back what is held without a lease; it gets whether that was an attempt
    :param states: reads the states of objects whose leases are lost
    :param ttl: seconds for which a heartbeat keeps the worker alive
    """

    def __init__(
        self, beat: Beat, give_back: Callable[[Key, bool], None], states: States, ttl: float
    ) -> None:
        self._beat, self._give_back, self._states, self.ttl = beat, give_back, states, ttl
        # The leases that have not ended, of which some may have been dropped.
        self._leases: dict[Key, weakref.ref[Lease]] = {}
        #: Whether the worker is to stop.
        self.stopping = False
        self._ended = threading.Event()
        #: Wakes who waits for work.
        self.woken = threading.Condition()
        self._alive_until = time.monotonic() + ttl
        self._is_gone = False
        self._claims: set[object] = set()
        # What is held without a lease, with the claims that were under way when it was first seen.
        self._strays: Mapping[Key, frozenset[object]] = {}
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        #: Whether the database notifies this worker of work.
        self.is_notified = False

    def start(self) -> None:
        """Start the threads, which use the database of the caller."""
        self._thread = self._started(self._run)
        if database.find() is not None:
            self._started(self._listen)

    def _started(self, work: Callable[[], None]) -> threading.Thread:
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(work,), daemon=True)
        thread.name = f"watcher_objects{work.__name__}"
        thread.start()
        return thread

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self.stopping = True
        self._ended.set()
        self.wake()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Let all who wait for work look for it now."""
        with self.woken:
            self.woken.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until :meth:`wake` is called, and return whether it was."""
        with self.woken:
            return self.stopping or self.woken.wait(seconds)

    @property
    def is_alive(self) -> bool:
        """Whether a heartbeat was sent in time, by this process's own clock."""
        is_in_time = time.monotonic() < self._alive_until
        return is_in_time and not (self._is_gone or self.is_inherited)

    @property
    def is_inherited(self) -> bool:
        """Whether this process was forked from the worker's, and has no such thread."""
        return self._process != os.getpid()

    @property
    def leases(self) -> dict[Key, Lease]:
        """The leases that the worker holds, and that somebody still refers to."""
        known = {key: lease() for key, lease in self._leases.copy().items()}
        return {key: lease for key, lease in known.items() if lease and not lease.is_over}

    @property
    def dropped(self) -> list[Key]:
        """The leases that have not ended, and that nobody refers to any more."""
        return [*self._leases.keys() - self.leases.keys()]

    def add(self, lease: Lease) -> None:
        """Take a lease for one that the worker holds."""
        self._leases[lease.key] = weakref.ref(lease)

    def discard(self, lease: Lease) -> None:
        """Take a lease for one that has ended."""
        self._leases.pop(lease.key, None)

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Mark that a claim is under way, whose rows may be seen before its answer arrives.

        A claim in a transaction is under way until that has ended.
        """
        claim = object()
        self._claims.add(claim)
        end = functools.partial(self._claims.discard, claim)
        try:
            yield
        finally:
            transaction = levels.current()
            if transaction is None:
                end()
            else:
                transaction.after_commit.append(end)
                transaction.after_rollback.append(end)

    def beat(self) -> None:
        """Send a heartbeat, and compare what the worker holds with what the rows say.

        :raises WorkerNotFound: the worker has been removed
        """
        before = self.leases
        sent = time.monotonic()
        try:
            rows = {*self._beat()}
        except exception.WorkerNotFound:
            self._is_gone = True
            raise
        self._alive_until = sent + self.ttl
        self._lose([lease for key, lease in before.items() if key not in rows])
        self._give_back_strays(rows)

    def _lose(self, leases: Sequence[Lease]) -> None:
        """Take leases for lost, and then read the states in which their objects are now."""
        lost = collections.defaultdict(list)
        for lease in leases:
            if not lease.is_over:
                lease._lose(lease._revoked(None))
                lost[lease.key[0]].append(lease)
        for name, some in lost.items():
            with suppress(exception.WatcherException):
                states = self._states(name, [lease.object.uuid for lease in some])
                for lease in some:
                    lease._lost = lease._revoked(states.get(lease.object.uuid))

    def _give_back_strays(self, rows: set[Key]) -> None:
        under_way = frozenset(self._claims)
        seen: dict[Key, frozenset[object]] = {}
        for key in rows - self.leases.keys():
            explained_by = self._strays.get(key)
            if explained_by is None:
                seen[key] = under_way
            elif explained_by & under_way:
                seen[key] = explained_by
            else:
                LOG.warning("Giving back %s %s, on which there is no lease", *key[:2])
                # A lease that was dropped was an attempt; a claim without an answer was not.
                self._give_back(key, key in self._leases)
                self._leases.pop(key, None)
        self._strays = seen

    def _run(self) -> None:
        while not self._ended.wait(self.ttl / 3):
            try:
                self.beat()
            except exception.WorkerNotFound:
                LOG.error("The worker was removed; what it held, others may have taken over")
                self.wake()
                return
            except Exception as error:
                LOG.warning("A heartbeat failed: %s", error)

    def _listen(self) -> None:
        """Wake who waits for work when the database says that there is some."""
        while not self._ended.is_set():
            try:
                for is_notified in wakeups.heard(HEARD):
                    self.is_notified = True
                    if is_notified:
                        self.wake()
                    if self._ended.is_set():
                        break
                else:
                    return
            except Exception as error:
                LOG.debug("No notifications are received: %s", error)
                self._ended.wait(RECONNECT)
            finally:
                self.is_notified = False
