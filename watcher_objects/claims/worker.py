# SPDX-License-Identifier: Apache-2.0
"""Workers: processes that claim objects, one row for each."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Self

from oslo_utils import uuidutils
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import base, exception
from watcher_objects.claims.heartbeat import Heartbeat, Key
from watcher_objects.claims.lease import Lease
from watcher_objects.claims.operations import Operations, check_ttl
from watcher_objects.claims.search import ATTEMPTS, THEN, Search
from watcher_objects.db import transactions
from watcher_objects.persistence.registry import class_named

LOG = logging.getLogger(__name__)

#: The ttl of a worker, in seconds, unless it is given another.
TTL = 60

_current: ContextVar["Worker | None"] = ContextVar("worker", default=None)


def current() -> "Worker":
    """Return the worker whose ``with`` block this is.

    :raises InvalidParameter: it is none's
    """
    found = _current.get()
    if found is None:
        allowed = "a worker, which only code in the worker's with block may leave out"
        raise exception.InvalidParameter(parameter="worker", parameter_type=allowed)
    return found


@base.WatcherObjectRegistry.register
class Worker(Operations):
    """A process that claims objects, and works on them.

    As a context manager it registers itself, and sends heartbeats in a thread; at its end it gives
    back what it still holds. Its uuid is random, so that a process that was restarted is another
    worker.

    :param context: the context for all that the worker does, also for the journal
    :param host: what the worker's host is called, also in the ``hostname`` of what it claims; by
        default the host's own name
    :param ttl: seconds after its last heartbeat for which the worker is taken to be alive; a third
        of it is the interval of heartbeats
    :param program: the name of the program; by default that of the running one
    :raises InvalidValue: one of them can't be used
    """

    _heartbeat: Heartbeat | None = None

    def __init__(
        self,
        context: Any = None,
        host: str | None = None,
        ttl: int = TTL,
        program: str | None = None,
    ) -> None:
        super().__init__(context)
        started = os.path.basename(sys.argv[0]) or "python"
        self.host = host or exception.storable_text(socket.gethostname())
        self.program = program or exception.storable_text(started)
        self.ttl = check_ttl(ttl)
        self.uuid = uuidutils.generate_uuid()

    def __enter__(self) -> Self:
        if transactions.in_transaction():
            # Heartbeats would not find it.
            reason = "a worker can't be registered in a transaction"
            raise ovo_exception.ObjectActionError(action="register", reason=reason)
        self.register()
        self._names: set[str] = set()
        heartbeat = Heartbeat(self._beat, self._give_back_stray, self._states, self.ttl)
        self._heartbeat = heartbeat
        self._token = _current.set(self)
        heartbeat.start()
        return self

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)
        heartbeat = self._running()
        if heartbeat.is_inherited:
            return
        heartbeat.stop()
        try:
            for lease in heartbeat.leases.values():
                lease._give_back_uncounted()
            for key in heartbeat.dropped:
                self._give_back_stray(key, counts=True)
            self.unregister()
        except exception.WatcherException as failure:
            LOG.warning("%r could not give back all that it holds: %s", self, failure)

    def claims(
        self,
        cls: type[Any],
        filters: Mapping[str, Any] | None = None,
        batch: int = 1,
        attempts: int = ATTEMPTS,
        then: str = THEN,
    ) -> Iterator[Lease]:
        """Claim objects of a class, one after the other, and wait where there are none.

        The oldest come first. Among them are what other workers have left, and continuous audits
        that are due. It goes on until :meth:`stop` is called, also over failures of the database
        or of the RPC server; where it is left, it gives back what it has claimed and not yielded.

        :param cls: a class of objects with states, like Audit
        :param filters: those of a list: what the worker can do
        :param batch: how many are claimed at once
        :param attempts: how often an object is claimed before it ends, because its workers have
            died or given it back
        :param then: the state in which it ends
        :raises WorkerLost: the worker could send no heartbeat for its ttl; others may have taken
            over what it had claimed
        :raises InvalidFilter, InvalidParameter, UnsupportedError, InvalidStateTransition: an
            argument can't be used
        """
        return Search(self, cls, filters, batch, attempts, then).run()

    def batches(
        self,
        cls: type[Any],
        filters: Mapping[str, Any] | None = None,
        batch: int = 10,
        attempts: int = ATTEMPTS,
        then: str = THEN,
    ) -> Iterator[list[Lease]]:
        """Claim objects as :meth:`claims` does, and yield the leases of each claim together.

        :func:`watcher_objects.claims.finish_many` finishes them together.

        :param batch: how many are claimed at most at once
        :raises Exception: as for :meth:`claims`, whose other parameters these are
        """
        return Search(self, cls, filters, batch, attempts, then).batches()

    def stop(self) -> None:
        """End all loops over :meth:`claims` and :meth:`batches`; signal handlers may call it."""
        self._running().stopping = True
        self._running().wake()

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called, or the ``with`` block has ended.

        A program whose work takes long asks this between two steps, and gives back what it holds.
        """
        return self._running().stopping

    @property
    def is_alive(self) -> bool:
        """Whether a heartbeat was sent in time, by this process's own clock."""
        return self._heartbeat is not None and self._heartbeat.is_alive

    @property
    def _is_remote(self) -> bool:
        """Whether a server makes the calls of this process."""
        return bool(self.indirection_api)

    def _running(self) -> Heartbeat:
        """Return what runs in the background.

        :raises InvalidParameter: this is not a worker of this process
        """
        if self._heartbeat is None:
            allowed = "one whose with block was entered in this process"
            raise exception.InvalidParameter(parameter="worker", parameter_type=allowed)
        return self._heartbeat

    def _beat(self) -> list[Key]:
        return [(name, uuid, token) for name, uuid, token in self.beat([*self._names])]

    def _states(self, name: str, uuids: Sequence[str]) -> dict[str, str]:
        """Return the states of objects by their uuids."""
        found = class_named(name).list(self._context, filters={"uuid__in": uuids})
        return {obj.uuid: obj.state for obj in found}

    def _give_back_stray(self, key: Key, counts: bool) -> None:
        """Give back what is held without a lease."""
        with suppress(exception.LeaseLost):
            self.give_back(*key, 0, counts)

    def _leases(self, name: str, claim: Callable[[], Any]) -> list[Lease]:
        """Return leases on what a claim returns.

        :raises WorkerLost: the worker is dead
        """
        heartbeat = self._running()
        if not heartbeat.is_alive:
            raise exception.WorkerLost(worker=self.uuid, ttl=self.ttl)
        self._names.add(name)
        with heartbeat.claiming():
            leases = [Lease(self, *found) for found in claim()]
            for lease in leases:
                lease._begin(heartbeat)
        return leases

    def _within(self, context: Any) -> "Worker":
        """Return this worker with another context."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), _context=context)
        return other
