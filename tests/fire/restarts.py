# SPDX-License-Identifier: Apache-2.0
"""Writers and readers, each with audits of its own, while something happens to their server."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.fire.arena import Report, Run, arena
from tests.fire.worker import Worker

#: A life of an audit.
LIFE = ("claim", "touch", "suspend", "resume", "finish", "delete")


def run(run: Run, disturb: Callable[[], None]) -> Report:
    """Let all processes work before, while and after the server is disturbed."""
    with arena(run) as place:
        stop = place.folder / "stop"
        for number in range(run.processes):
            place.start(lead_lives, stop=stop, number=number, of=run.processes)
        time.sleep(1)
        disturb()
        time.sleep(1)
        stop.touch()
        place.wait()
        return place.judged("restarts", processes=run.processes)


def lead_lives(worker: Worker) -> None:
    """Lead the lives of audits, as far as there are any, and see to others."""
    stop: Path = worker.given["stop"]
    for audit in worker.list() or ():
        if uuid.UUID(audit.uuid).int % worker.given["of"] != worker.given["number"]:
            continue
        for op in LIFE:
            if stop.exists():
                return
            worker.move(audit, op)
            if op != "delete":
                worker.refresh(audit)
        worker.list(limit=20)
        worker.create()
    while not stop.exists():
        worker.create()
        worker.list(limit=20)
