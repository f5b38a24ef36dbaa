# SPDX-License-Identifier: Apache-2.0
"""Many processes contest the same PENDING audits: each is won once, and none is left."""

from tests.fire.arena import Report, Run, arena
from tests.fire.worker import Worker
from watcher_objects.states import State

#: Audits that a worker lists at once, and then claims one by one, however late.
BATCH = 200


def run(run: Run) -> Report:
    """Let all processes claim all audits."""
    with arena(run) as place:
        place.work(contest)
        return place.judged("claims", none_left=True)


def contest(worker: Worker) -> None:
    """Claim whatever is PENDING, until nothing is."""
    asked = {"filters": {"state": State.PENDING}, "limit": BATCH, "sort_key": "id"}
    batch = worker.list(**asked)
    # All have seen the same audits PENDING, so that each of them is contested.
    worker.begin()
    while batch != []:
        for audit in batch or ():
            worker.move(audit, "claim")
        batch = worker.list(**asked)
