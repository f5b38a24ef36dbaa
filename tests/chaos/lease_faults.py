# SPDX-License-Identifier: Apache-2.0
"""Faults of claims to plant in a worker's process, each of which some library has had."""

import itertools
import time
import uuid
from typing import Any

import sqlalchemy as sa

from watcher_objects import claims as public
from watcher_objects.claims.heartbeat import Heartbeat
from watcher_objects.db import api, claims, leases, models, transactions, workers
from watcher_objects.db.sql import claimable, dml, expectations, times
from watcher_objects.db.sql import claims as statements

#: Seconds between what a takeover reads and what it writes.
SLOW = 0.4

_numbered = expectations.numbered
_claimed, _register, _write = claims._claimed, workers.register, leases.write


def finish_by_state() -> None:
    """Write through a lease whatever the token is, if the state is right."""
    expectations.numbered = lambda token: expectations.NOTHING


def fence_by_a_live_worker() -> None:
    """Write through a lease if the worker is alive, instead of by the token."""

    def write(*args: Any) -> Any:
        worker = public.worker.current()
        is_alive = sa.select(models.workers.c.id).where(
            models.workers.c.id == worker.id, models.workers.c.alive_until >= times.now()
        )
        if not transactions.execute(is_alive).rows:
            return _write(*args)
        expectations.numbered = lambda token: expectations.NOTHING
        try:
            return _write(*args)
        finally:
            expectations.numbered = _numbered

    leases.write = write


def takeover_by_id() -> None:
    """Take over what was read as abandoned, without looking at its worker again."""

    def plan(dialect: Any, shape: Any, names: Any, *rest: Any) -> Any:
        time.sleep(SLOW)
        table = shape.table
        ident = table.c.id == sa.bindparam("id", type_=table.c.id.type)
        write = sa.update(table).where(ident, *claimable.in_state(table))
        write = write.values(statements._new(table, names))
        return dml.recorded(dialect, table, write, ("id",))

    statements._claim_candidate = plan


def host_name_as_identity() -> None:
    """Take a process for the same worker as the one before it on its host."""

    def register(given: Any) -> Any:
        ident = str(uuid.uuid5(uuid.NAMESPACE_DNS, given["host"]))
        if workers.beat(ident, given["ttl"]):
            return api.get(models.workers, {"uuid": ident})
        return _register({**given, "uuid": ident})

    workers.register = register


def lost_claim_is_repeated() -> None:
    """Claim again if the answer to a claim was lost, without looking what it has done."""
    count = itertools.count()

    def claimed(*args: Any) -> Any:
        done = _claimed(*args)
        return _claimed(*args) if next(count) % 4 == 0 else done

    claims._claimed = claimed


def no_reconciliation() -> None:
    """Keep alive what no lease is known of."""
    Heartbeat._give_back_strays = lambda self, rows: None
