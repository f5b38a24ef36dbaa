# SPDX-License-Identifier: Apache-2.0
"""Writers are killed at random moments: what was acknowledged is there, and nothing is half done.

On SQLite also what the files hold while all writers stand still is judged, from a copy.
"""

import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa

from tests.chaos import judge, ledger, oracle
from tests.chaos.arena import Arena, Report, Run, arena
from tests.chaos.mix import Caller
from tests.chaos.worker import Worker

#: How much a writer has written down at most, and the seconds behind that, when it is killed.
BYTES, SECONDS = 10_000, 0.01
#: Kills after which the files of SQLite are copied.
BETWEEN_COPIES = 20


def run(run: Run) -> Report:
    """Kill so many writers, each followed by a new one at once."""
    chance = random.Random(run.kills)  # noqa: S311 - no secret
    findings: list[judge.Finding] = []
    with arena(run) as place:
        writers = [place.start(make_calls) for _ in range(run.processes)]
        for number in range(run.kills):
            victim = writers.pop(0)
            place.await_calls(victim, chance.randrange(1, BYTES))
            time.sleep(chance.uniform(0, SECONDS))
            place.kill(victim)
            writers.append(place.start(make_calls))
            if number % BETWEEN_COPIES == 0 and run.urls[0].startswith("sqlite"):
                findings += _of_copy(place, writers)
        place.stop()
        return place.judged("kills", besides=findings, disturbances=run.kills)


def make_calls(worker: Worker) -> None:
    """Make calls for as long as there is."""
    caller = Caller(worker)
    while True:
        caller.call()


def _of_copy(place: Arena, writers: Sequence[BaseProcess]) -> list[judge.Finding]:
    """Return what is wrong with the files as they are while all writers stand still."""
    source = Path(sa.make_url(place.run.urls[0]).database or "")
    with tempfile.TemporaryDirectory() as folder:
        with _standing_still(writers):
            for path in source.parent.glob(f"{source.name}*"):
                shutil.copy(path, folder)
            history = ledger.read(place.folder)
        copy = Path(folder) / source.name
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return place.verdict(history, oracle.read(f"sqlite:///{copy}"))


@contextmanager
def _standing_still(writers: Sequence[BaseProcess]) -> Iterator[None]:
    for writer in writers:
        os.kill(writer.pid, signal.SIGSTOP)
    for writer in writers:
        # The signal is sent, not awaited.
        while Path(f"/proc/{writer.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
    yield
    for writer in writers:
        os.kill(writer.pid, signal.SIGCONT)
