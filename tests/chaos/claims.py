# SPDX-License-Identifier: Apache-2.0
"""Many processes contest the same PENDING audits: each is won once, and none is left."""

from collections.abc import Sequence
from typing import Any

from tests.chaos.arena import Report, Run, arena
from tests.chaos.worker import Worker
from watcher_objects.states import State

#: Audits that a worker lists at once, and then claims one by one.
BATCH = 5
#: How often a worker reads an audit again before it claims it, and may find it claimed.
REREAD = 0.2


def run(run: Run) -> Report:
    """Let all processes claim all audits."""
    with arena(run) as place:
        place.work(contest, audits=run.audits)
        return place.judged("claims", none_left=True)


def contest(worker: Worker) -> None:
    """Claim whatever is PENDING, until nothing is."""
    asked = {"filters": {"state": State.PENDING}, "limit": BATCH, "sort_key": "id"}
    for _ in range(worker.given["audits"] // BATCH):
        batch = worker.list(**asked)
        # All have seen the same audits PENDING, and claim them at the same moment.
        worker.begin()
        _claim(worker, batch)
    while (batch := worker.list(**asked)) != []:
        _claim(worker, batch)


def _claim(worker: Worker, batch: Sequence[Any] | None) -> None:
    for audit in batch or ():
        if worker.random.random() < REREAD:
            worker.refresh(audit)
        worker.move(audit, "claim")
