# SPDX-License-Identifier: Apache-2.0
"""Writers and readers, each with audits of its own, while something happens to their server.

As nobody else writes these, even a call whose answer gets lost has to find out what it did.
"""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa

from tests.chaos.arena import Arena, Report, Run, arena
from tests.chaos.instances import Server
from tests.chaos.proxy import Proxy
from tests.chaos.worker import Worker

#: Seconds for which a server is frozen.
FROZEN = 3
#: How much each worker writes down before a disturbance, and behind the last.
BYTES = 1_000
#: Messages among which one is cut.
MESSAGES = 50
#: A life of an audit.
LIFE = ("claim", "touch", "suspend", "resume", "finish", "delete")


def restart(server: Server) -> None:
    """End a server as an administrator does, and start it."""
    server.stop()
    server.start()


def crash(server: Server) -> None:
    """End a server as a loss of power does, and start it."""
    server.kill()
    server.start()


def freeze(server: Server) -> None:
    """Let a server do nothing for a while."""
    server.freeze()
    time.sleep(FROZEN)
    server.thaw()


def run(disturb: Callable[[Server], None], run: Run) -> Report:
    """Let all processes work before, while and after their server is disturbed."""
    return _run(disturb.__name__, run, lambda place: disturb(run.servers[0]), run.restarts)


def cut(run: Run) -> Report:
    """Let all processes work on a network that is cut at any message, before or behind it."""
    chance = random.Random(run.kills)  # noqa: S311 - no secret
    proxy = Proxy(*map(sa.make_url, run.urls))

    def cut_one(place: Arena) -> None:
        with proxy.failing(chance.randint(1, MESSAGES), chance.choice([False, True])):
            place.until(lambda: proxy.raised)

    with closing(proxy):
        return _run("cut", run, cut_one, run.kills, [proxy.address])


def _run(
    scenario: str,
    run: Run,
    disturb: Callable[[Arena], None],
    times: int,
    urls: Sequence[str] = (),
) -> Report:
    with arena(run, urls) as place:
        stop = place.folder / "stop"
        workers = [
            place.start(lead_lives, stop=stop, number=number, of=run.processes)
            for number in range(run.processes)
        ]
        for _ in range(times):
            _await_calls(place, workers)
            disturb(place)
        _await_calls(place, workers)
        stop.touch()
        place.wait()
        return place.judged(scenario, disturbances=times)


def _await_calls(place: Arena, workers: Sequence[BaseProcess]) -> None:
    """Wait until each has made some calls since now."""
    sizes = [place.written(worker) + BYTES for worker in workers]
    for worker, size in zip(workers, sizes, strict=True):
        place.await_calls(worker, size)


def lead_lives(worker: Worker) -> None:
    """Lead the lives of one's own audits, and see to others."""
    stop: Path = worker.given["stop"]
    while not stop.exists():
        for audit in worker.list() or ():
            if uuid.UUID(audit.uuid).int % worker.given["of"] != worker.given["number"]:
                continue
            worker.list(limit=20)
            worker.create()
            for op in LIFE:
                if stop.exists():
                    return
                # A handle that was refused is good for nothing else.
                if not worker.move(audit, op):
                    break
                if op != "delete":
                    worker.refresh(audit)
        worker.create()
