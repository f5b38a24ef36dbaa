# SPDX-License-Identifier: Apache-2.0
"""Claims: work is distributed among processes, and taken over from those that died.

A worker claims objects that wait, such as PENDING audits, and gets a lease on each, by which it
writes what becomes of it::

    with claims.Worker(context, host="host-1", ttl=60) as worker:
        for lease in worker.claims(Audit, filters={"goal_name": "saving_energy"}, batch=10):
            # It is cancelled, suspended or taken over: there is nothing to write.
            with suppress(exception.LeaseLost):
                try:
                    for step in decide(lease.object):
                        lease.check()
                        perform(step, fence=lease.token)
                    lease.finish("SUCCEEDED")
                except exception.LeaseLost:
                    raise
                except Exception as error:
                    # It is rejected, too, if the lease is lost.
                    lease.finish("FAILED", status_message=exception.storable_text(error))
"""

from collections.abc import Mapping
from typing import Any

from watcher_objects.claims.counts import Statistics, statistics
from watcher_objects.claims.lease import Lease, finish_many
from watcher_objects.claims.search import ATTEMPTS, THEN, Search
from watcher_objects.claims.worker import Worker, current
from watcher_objects.db.claims import Kind
from watcher_objects.db.work import Work, WorkerCount

__all__ = [
    "Lease",
    "Statistics",
    "Work",
    "Worker",
    "WorkerCount",
    "claim",
    "claim_many",
    "claim_next",
    "due",
    "finish_many",
    "statistics",
    "take_over",
]


def claim_next(
    context: Any,
    cls: type[Any],
    worker: Worker | None = None,
    filters: Mapping[str, Any] | None = None,
) -> Lease | None:
    """Claim the oldest object that waits; return None if there is none.

    :param context: the caller's context
    :param cls: a class of objects with states, like Audit
    :param worker: who claims it; by default the worker whose ``with`` block this is
    :param filters: those of a list
    :raises WorkerLost: the worker could send no heartbeat for its ttl
    :raises InvalidFilter, InvalidParameter, UnsupportedError: an argument can't be used
    """
    found = claim_many(context, cls, 1, worker, filters)
    return found[0] if found else None


def claim_many(
    context: Any,
    cls: type[Any],
    limit: int,
    worker: Worker | None = None,
    filters: Mapping[str, Any] | None = None,
) -> list[Lease]:
    """Claim the oldest objects that wait.

    :param limit: the maximum number of objects
    :raises Exception: as for :func:`claim_next`, whose other parameters these are
    """
    claimant = (worker or current())._within(context)
    return Search(claimant, cls, filters, limit).claim(Kind.WAITING)


def claim(
    context: Any, cls: type[Any], identity: int | str, worker: Worker | None = None
) -> Lease:
    """Claim one object by its id or uuid: of several workers one, whatever objects they have.

    An audit of type EVENT can be claimed again once it has succeeded; one that is suspended has to
    be resumed first.

    :param identity: an id or a uuid
    :raises InvalidStateTransition: the object does not wait: it is claimed, or was
    :raises ResourceNotFound: there is no such object; each class has its own error
    :raises Exception: as for :func:`claim_next`, whose other parameters these are
    """
    claimant = (worker or current())._within(context)
    name = cls.obj_name()
    (lease,) = claimant._leases(name, lambda: [claimant.claim_one(name, identity)])
    return lease


def due(
    cls: type[Any],
    limit: int = 1,
    worker: Worker | None = None,
    filters: Mapping[str, Any] | None = None,
) -> list[Lease]:
    """Claim continuous audits whose ``next_run_time`` has passed, the earliest first.

    Only those are due that a worker has run before, and has rescheduled since.

    :param cls: a class of objects with a next_run_time, like Audit
    :raises Exception: as for :func:`claim_next`, whose other parameters these are
    """
    return Search(worker or current(), cls, filters, limit).claim(Kind.DUE)


def take_over(
    cls: type[Any],
    attempts: int = ATTEMPTS,
    then: str = THEN,
    limit: int = 10,
    worker: Worker | None = None,
    filters: Mapping[str, Any] | None = None,
) -> list[Lease]:
    """Claim what dead workers have left, and what others have given back.

    The state of the objects does not change. An object that was claimed ``attempts`` times is
    ended instead.

    :param attempts: how often an object is claimed before it ends
    :param then: the state in which it ends
    :raises InvalidStateTransition: a running object can't end in this state
    :raises Exception: as for :func:`claim_next`, whose other parameters these are
    """
    return Search(worker or current(), cls, filters, limit, attempts, then).take_over()
