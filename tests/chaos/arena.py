# SPDX-License-Identifier: Apache-2.0
"""Where a scenario takes place: a database with its witness, and the processes at work on it."""

import collections
import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.chaos import judge, ledger, oracle, worker
from tests.chaos.instances import Server

# What is not installed is left out.
_IMPORTED = ["__main__", "tests.chaos.nursery", "tests.chaos.peer", "psycopg", "pymysql"]
# Each worker is forked from a server process that has imported all of this and is connected
# nowhere; an interpreter of its own would take it a second to start.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(_IMPORTED)


@dataclass(frozen=True)
class Run:
    """The options of a run.

    :ivar urls: an empty database with our schema; several are nodes of one cluster, which
        the processes share out among them
    :ivar servers: the servers behind these URLs, where they are our own and may be disturbed
    :ivar calls: of each process, where a scenario does not end by itself
    :ivar kills: of processes, or cuts of the network
    :ivar restarts: how often a server is disturbed
    :ivar patience: seconds for the workers to end, so that one that hangs is no run that hangs
    :ivar subject: whose objects: ``ours``, or ``peer`` where OpenStack Watcher is installed
    :ivar fault: the fault of :mod:`tests.chaos.faults` to plant in every worker
    """

    urls: Sequence[str]
    servers: Sequence[Server] = ()
    processes: int = 4
    audits: int = 50
    calls: int = 100
    kills: int = 100
    restarts: int = 1
    patience: float = 60
    subject: str = "ours"
    fault: str | None = None


@dataclass(frozen=True)
class Report:
    """What came of a scenario: its figures, and all that was wrong."""

    scenario: str
    figures: dict[str, float]
    findings: list[judge.Finding]

    def kinds(self) -> dict[judge.Kind, int]:
        """Return how often each kind of finding was made."""
        return dict(collections.Counter(finding.kind for finding in self.findings))


@dataclass
class Arena:
    """A database that is put through chaos.

    :ivar urls: those that the processes have of it
    :ivar conflicts: how many writes its nodes had undone before
    """

    run: Run
    urls: Sequence[str]
    folder: Path
    conflicts: int = 0
    started: float = field(default_factory=time.monotonic)
    _made: list[BaseProcess] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def start(
        self, task: Callable[[worker.Worker], None], *, seeding: bool = False, **given: Any
    ) -> BaseProcess:
        """Start a worker on the next node; seeding, it is ours and without a fault."""
        number = next(self._number)
        job = worker.Job(
            name=f"{task.__name__}-{number}",
            task=task,
            url=self.urls[number % len(self.urls)],
            folder=self.folder,
            subject="ours" if seeding else self.run.subject,
            fault=None if seeding else self.run.fault,
            given=given,
        )
        process = _processes.Process(target=worker.run, args=(job,), name=job.name, daemon=True)
        process.start()
        self._made.append(process)
        return process

    def work(
        self,
        task: Callable[[worker.Worker], None],
        *,
        meanwhile: Callable[[BaseProcess], None] = lambda last: None,
        **given: Any,
    ) -> None:
        """Let all processes do a task, beginning at the same moment, and wait for them.

        :param meanwhile: what is done while they are at work, with the last of them
        """
        together = _processes.Barrier(self.run.processes)
        workers = [self.start(task, together=together, **given) for _ in range(self.run.processes)]
        meanwhile(workers[-1])
        self.wait()

    def wait(self) -> None:
        """Wait for all workers, and raise what went wrong with the harness itself."""
        deadline = time.monotonic() + self.run.patience
        for process in self._made:
            process.join(max(0, deadline - time.monotonic()))
        self.check()
        # One that is at work still has no exit code.
        if odd := [f"{one.name}: {one.exitcode}" for one in self._made if one.exitcode != 0]:
            raise RuntimeError(f"after {self.run.patience} s or less: {', '.join(odd)}")

    def until(self, happened: Callable[[], Any]) -> None:
        """Wait for something, and raise what goes wrong with the harness meanwhile."""
        deadline = time.monotonic() + self.run.patience
        while not happened():
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"what was waited for did not come in {self.run.patience} s")
            time.sleep(0.001)

    def await_calls(self, process: BaseProcess, size: int) -> None:
        """Wait until a worker has written down so many bytes."""
        self.until(lambda: self.written(process) >= size)

    def written(self, process: BaseProcess) -> int:
        """Return how many bytes a worker has written down."""
        path = self.folder / f"{process.name}.ledger"
        return path.stat().st_size if path.exists() else 0

    def check(self) -> None:
        """Raise what went wrong with the harness itself."""
        for path in self.folder.glob("*.crash"):
            raise RuntimeError(f"{path.stem} crashed: {path.read_text()}")

    def kill(self, process: BaseProcess) -> None:
        """End a worker, wherever it is."""
        process.kill()
        process.join()
        process.close()
        self._made.remove(process)

    def stop(self) -> None:
        """End the workers that are there still."""
        for process in tuple(self._made):
            self.kill(process)

    def verdict(self, history: ledger.History, truth: oracle.Truth) -> list[judge.Finding]:
        """Return what is wrong, by the rules that the subject knows of."""
        findings = judge.verdict(history, truth)
        if self.run.subject == "peer":
            # It has notifications, with other rules.
            return [one for one in findings if one.kind not in judge.OF_EVENTS]
        return findings

    def judged(
        self,
        scenario: str,
        *,
        none_left: bool = False,
        allowed: Collection[judge.Kind] = (),
        besides: Sequence[judge.Finding] = (),
        **figures: float,
    ) -> Report:
        """Return the report on all that has happened.

        :param none_left: an audit that is PENDING still is a finding
        :param allowed: what is no finding here
        :param besides: what was found meanwhile
        """
        seconds = time.monotonic() - self.started
        if len(self.run.urls) > 1:
            figures["conflicts"] = oracle.conflicts(self.run.urls) - self.conflicts
        history, truth = ledger.read(self.folder), oracle.read(self.run.urls[0])
        findings = [*besides, *self.verdict(history, truth)]
        if none_left:
            findings += judge.left_over(truth)
        report = Report(scenario, {}, [one for one in findings if one.kind not in allowed])
        report.figures.update(_figures(history, truth, report.kinds()), **figures)
        report.figures["seconds"] = round(seconds, 1)
        return report


def _figures(
    history: ledger.History, truth: oracle.Truth, kinds: dict[judge.Kind, int]
) -> dict[str, float]:
    calls = history.calls.values()
    won = sum((call.op, call.result) == ("claim", ledger.OK) for call in calls)
    false = kinds.get(judge.Kind.FALSE_CLAIM, 0)
    return {
        "calls": len(calls),
        "moves checked": len(truth.writes),
        "claims won": won - false,
        "false claims": false,
        "lost": kinds.get(judge.Kind.LOST, 0),
        "illegal moves": kinds.get(judge.Kind.ILLEGAL_MOVE, 0),
        "disturbances": 0,
        "retries": history.retries,
        "callers' errors": sum(call.result != ledger.FAIL and call.error != "" for call in calls),
        "findings": sum(kinds.values()),
    }


@contextmanager
def arena(run: Run, urls: Sequence[str] = ()) -> Iterator[Arena]:
    """Lend a database with audits and a witness, and leave none of that behind.

    :param urls: those that the processes are to have, instead of the run's
    """
    oracle.install(run.urls[0])
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Arena(run, urls or run.urls, Path(folder), oracle.conflicts(run.urls))
            try:
                place.start(seed, seeding=True, number=run.audits)
                place.wait()
                for url in run.urls:
                    oracle.settle(url)
                place.started = time.monotonic()
                yield place
            finally:
                place.stop()
    finally:
        oracle.remove(run.urls[0])


def seed(worker: worker.Worker) -> None:
    """Store the audits that a run begins with."""
    worker.seed(worker.given["number"])
