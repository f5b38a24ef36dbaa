# SPDX-License-Identifier: Apache-2.0
"""How much work waits for workers, and how many workers there are."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oslo_context.context import RequestContext

from watcher_objects.claims.worker import Worker
from watcher_objects.db.work import Work, WorkerCount


class Statistics(NamedTuple):
    """What :func:`statistics` returns."""

    #: The numbers of workers.
    workers: WorkerCount
    #: The numbers of objects by the names of their classes, like ``Audit``.
    work: Mapping[str, Work]


def statistics(context: Any = None) -> Statistics:
    """Return how much work there is, by the database's clock.

    It takes a statement for each class whose objects workers claim, and one for the workers.

    :param context: the caller's context; by default an empty one
    :raises DatabaseError, DatabaseUnavailable: the database can't be read
    """
    found = Worker.statistics(context or RequestContext())
    work = {name: Work(**counts) for name, counts in found["work"].items()}
    return Statistics(WorkerCount(**found["workers"]), work)
