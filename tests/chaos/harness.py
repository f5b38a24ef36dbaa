# SPDX-License-Identifier: Apache-2.0
"""The harness of a scenario: processes that call the library and log that, and their check."""

import collections
import importlib
import itertools
import logging
import multiprocessing
import os
import random
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from oslo_context.context import RequestContext

from tests.chaos import checker, faults, history
from tests.chaos.history import FAIL, OK, UNKNOWN, Log
from tests.chaos.instances import Server
from watcher_objects import Audit, Goal, db, events, exception
from watcher_objects.states import AuditType, State

#: What a worker can do with an audit, and the state that this requests.
MOVES = {
    "claim": State.ONGOING,
    "finish": State.SUCCEEDED,
    "fail": State.FAILED,
    "suspend": State.SUSPENDED,
    "resume": State.ONGOING,
    "cancel": State.CANCELLED,
    "delete": State.DELETED,
    "touch": None,
}
# Each worker is forked from a server process that has imported all of this, and has no
# connection. What is not installed is ignored.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["__main__", "tests.chaos.preload", "tests.chaos.peer", "psycopg", "pymysql"]
)


class Subject:
    """What is tested: this library, on a database. :mod:`tests.chaos.peer` has another one."""

    Audit, Goal = Audit, Goal
    #: The logger that reports each retry, and how its message begins.
    RETRIES = ("watcher_objects.db.backend.budget", "Trying again")
    #: The errors that say that nothing has happened.
    REFUSALS = (
        exception.InvalidStateTransition,
        exception.ResourceNotFound,
        exception.LeaseLost,
    )

    def __init__(self, url: str, notify: Callable[[str, Any, str | None], None]) -> None:
        db.configure(url)
        self.context = RequestContext()

        def forward(event: events.Event) -> None:
            if event.resource == "audit":
                notify(event.kind, event.obj, event.old_state)

        events.subscribe(forward)


@dataclass(frozen=True)
class Job:
    """What a process is started for; ``given`` are the arguments of its task."""

    name: str
    task: Callable[["Worker"], None]
    url: str
    folder: Path
    subject: str = "ours"
    fault: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


class Worker(logging.Handler):
    """The calls of one process to the subject, and its log."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.given = job.given
        self.random = random.Random(job.name)  # noqa: S311 - no secret
        self._log = Log(job.folder / f"{job.name}.log")
        cls = Subject
        if job.subject == "peer":
            cls = importlib.import_module("tests.chaos.peer").Subject
        self.subject = cls(job.url, self._on_event)
        logger = logging.getLogger(self.subject.RETRIES[0])
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)
        self._goal_id: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Log each call that the subject says it retries."""
        if str(record.msg).startswith(self.subject.RETRIES[1]):
            self._log.add("retry")

    def begin(self) -> None:
        """Wait until all workers are about to begin."""
        self.given["together"].wait()

    def seed(self, number: int) -> None:
        """Store audits, all at once."""
        given = {"display_name": "chaos", "efficacy_specification": []}
        self.subject.Goal(self.subject.context, name=str(uuid.uuid4()), **given).create()
        idents = [str(uuid.uuid4()) for _ in range(number)]
        tokens = [self._log.begin("create", ident, State.PENDING) for ident in idents]
        self.subject.Audit.create_many(self.subject.context, [*map(self._built, idents, tokens)])
        for token in tokens:
            self._log.end(token, OK)

    def create(self) -> bool:
        """Store an audit; return whether that succeeded."""
        ident = str(uuid.uuid4())
        return self._call(
            lambda token: self._built(ident, token).create(), "create", ident, State.PENDING
        )

    def move(self, audit: Any, op: str) -> bool:
        """Do something with an audit; return whether that succeeded.

        An object with which it failed has unsaved changes, and is of no further use.
        """

        def do(token: str) -> None:
            audit.status_message = token
            if op == "delete":
                audit.soft_delete()
                return
            if op != "touch":
                audit.state = MOVES[op]
            audit.save()
            self._see(audit)

        return self._call(do, op, audit.uuid, MOVES[op])

    def log_lease(self, worker: int, lease: Any) -> None:
        """Log a lease that a worker has got."""
        self._log.add("lease", worker, lease.object.uuid, lease.token)

    def write(self, worker: int, lease: Any, op: str, write: Callable[..., None]) -> bool:
        """Write through a lease of a worker; return whether that succeeded."""

        def do(token: str) -> None:
            self._log.add("fence", token, worker, lease.token)
            write(status_message=token)

        return self._call(do, op, lease.object.uuid, MOVES[op])

    def give_back(self, lease: Any) -> None:
        """Give a lease back, which is lost if it has been revoked."""
        with suppress(exception.LeaseLost):
            lease.give_back()

    def refresh(self, audit: Any) -> bool:
        """Read an audit again; return whether it exists."""
        return self._call(lambda token: (audit.refresh(), self._see(audit)), "refresh", audit.uuid)

    def list(self, **options: Any) -> Sequence[Any] | None:
        """Return audits; None where that failed."""
        found: list[Any] = []

        def do(token: str) -> None:
            # The peer can't save what was read without its goal.
            found.extend(self.subject.Audit.list(self.subject.context, eager=True, **options))
            for audit in found:
                self._see(audit)

        return found if self._call(do, "list", "") else None

    def _call(self, do: Callable[[str], Any], op: str, audit: str, to: str | None = None) -> bool:
        token = self._log.begin(op, audit, to)
        try:
            do(token)
        except self.subject.REFUSALS as error:
            self._log.end(token, FAIL, error)
        except Exception as error:
            self._log.end(token, UNKNOWN, error)
        else:
            self._log.end(token, OK)
            return True
        return False

    def _built(self, ident: str, token: str) -> Any:
        if self._goal_id is None:
            self._goal_id = self.subject.Goal.list(self.subject.context)[0].id
        return self.subject.Audit(
            self.subject.context,
            uuid=ident,
            name=token,
            status_message=token,
            parameters={},
            scope=[],
            audit_type=self.random.choice((AuditType.ONESHOT, AuditType.EVENT)).value,
            goal_id=self._goal_id,
        )

    def _see(self, audit: Any) -> None:
        self._log.add("sight", audit.uuid, audit.status_message, audit.state)

    def _on_event(self, kind: str, audit: Any, old: str | None) -> None:
        self._log.add("event", kind, audit.uuid, audit.status_message, old)


def run_job(job: Job) -> None:
    """Do a job, in a process of its own; leave a file about what is wrong with the harness."""
    try:
        worker = Worker(job)
        if job.fault:
            faults.FAULTS[job.fault].plant()
        job.task(worker)
    except BaseException:
        (job.folder / f"{job.name}.crash").write_text(traceback.format_exc())
        # A thread of a driver must not keep the process.
        os._exit(1)


@dataclass(frozen=True)
class Run:
    """The options of a run.

    :ivar urls: an empty database with our schema; several are nodes of one cluster, which
        the processes share out among them
    :ivar servers: the servers of these URLs, where they are our own and may be disturbed
    :ivar calls: of each process, where a scenario does not end by itself
    :ivar kills: of processes, or cuts of the network
    :ivar restarts: how often a server is disturbed
    :ivar patience: seconds for the workers to end
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
    """The figures of a scenario, and all that was wrong."""

    scenario: str
    figures: dict[str, float]
    findings: list[checker.Finding]

    def kinds(self) -> dict[checker.Kind, int]:
        """Return how often each kind of finding was made."""
        return dict(collections.Counter(finding.kind for finding in self.findings))


class Harness:
    """A database whose writes are recorded, and the processes at work on it."""

    def __init__(self, run: Run, urls: Sequence[str], folder: Path) -> None:
        self.run, self.urls, self.folder = run, urls, folder
        self._conflicts = history.conflicts(run.urls)
        self._workers: list[BaseProcess] = []
        self._number = itertools.count()
        self._started = time.monotonic()

    def seed(self) -> None:
        """Store the audits that a run begins with, by ours and without a fault."""
        self._start(
            Job("seed", seed, self.urls[0], self.folder, given={"number": self.run.audits})
        )
        self.wait()
        for url in self.run.urls:
            history.await_replication(url)
        self._started = time.monotonic()

    def start(self, task: Callable[[Worker], None], **given: Any) -> BaseProcess:
        """Start a worker on the next node."""
        number = next(self._number)
        name, url = f"{task.__name__}-{number}", self.urls[number % len(self.urls)]
        run = self.run
        return self._start(Job(name, task, url, self.folder, run.subject, run.fault, given))

    def _start(self, job: Job) -> BaseProcess:
        process = _processes.Process(target=run_job, args=(job,), name=job.name, daemon=True)
        process.start()
        self._workers.append(process)
        return process

    def work(
        self,
        task: Callable[[Worker], None],
        *,
        during: Callable[[BaseProcess], None] = lambda last: None,
        **given: Any,
    ) -> None:
        """Run a task in all processes, beginning at the same moment, and wait for them.

        :param during: what is done while they are at work, with the last of them
        """
        together = _processes.Barrier(self.run.processes)
        workers = [self.start(task, together=together, **given) for _ in range(self.run.processes)]
        during(workers[-1])
        self.wait()

    def wait(self) -> None:
        """Wait for all workers, and raise what went wrong with the harness itself."""
        deadline = time.monotonic() + self.run.patience
        for process in self._workers:
            process.join(max(0, deadline - time.monotonic()))
        self.check_crashes()
        # One that is at work still has no exit code.
        if odd := [f"{one.name}: {one.exitcode}" for one in self._workers if one.exitcode != 0]:
            raise RuntimeError(f"after {self.run.patience} s or less: {', '.join(odd)}")

    def until(self, happened: Callable[[], Any]) -> None:
        """Wait for something."""
        deadline = time.monotonic() + self.run.patience
        while not happened():
            self.check_crashes()
            if time.monotonic() > deadline:
                raise RuntimeError(f"what was waited for did not come in {self.run.patience} s")
            time.sleep(0.001)

    def await_log(self, process: BaseProcess, size: int) -> None:
        """Wait until a worker has logged that many bytes."""
        self.until(lambda: self.logged(process) >= size)

    def logged(self, process: BaseProcess) -> int:
        """Return how many bytes a worker has logged."""
        path = self.folder / f"{process.name}.log"
        return path.stat().st_size if path.exists() else 0

    def check_crashes(self) -> None:
        """Raise what a worker has crashed with."""
        for path in self.folder.glob("*.crash"):
            raise RuntimeError(f"{path.stem} crashed: {path.read_text()}")

    def kill(self, process: BaseProcess) -> None:
        """End a worker, wherever it is."""
        process.kill()
        process.join()
        process.close()
        self._workers.remove(process)

    def stop(self) -> None:
        """End the workers that still run."""
        for process in tuple(self._workers):
            self.kill(process)

    def check(self, logged: history.History, records: history.Records) -> list[checker.Finding]:
        """Return what is wrong, by the rules that the subject has."""
        findings = checker.check(logged, records)
        if self.run.subject == "peer":
            # It has notifications, with other rules.
            return [one for one in findings if one.kind not in checker.OF_EVENTS]
        return findings

    def report(
        self,
        scenario: str,
        *,
        none_left: bool = False,
        allowed: Collection[checker.Kind] = (),
        more: Sequence[checker.Finding] = (),
        **figures: float,
    ) -> Report:
        """Return the report on all that has happened.

        :param none_left: an audit that is PENDING still is a finding
        :param allowed: the kinds that are not findings here
        :param more: what was found while the workers ran
        """
        figures["seconds"] = round(time.monotonic() - self._started, 1)
        if len(self.run.urls) > 1:
            figures["conflicts"] = history.conflicts(self.run.urls) - self._conflicts
        logged, records = history.load(self.folder), history.read(self.run.urls[0])
        findings = [*more, *self.check(logged, records)]
        if none_left:
            findings += checker.left_over(records)
        report = Report(scenario, {}, [one for one in findings if one.kind not in allowed])
        kinds, calls = report.kinds(), logged.calls.values()
        false = kinds.get(checker.Kind.FALSE_CLAIM, 0)
        won = sum((call.op, call.result) == ("claim", OK) for call in calls)
        report.figures.update(
            {
                "calls": len(calls),
                "moves checked": len(records.writes),
                "claims won": won - false,
                "false claims": false,
                "lost": kinds.get(checker.Kind.LOST, 0),
                "illegal moves": kinds.get(checker.Kind.ILLEGAL_MOVE, 0),
                "disturbances": 0,
                "retries": logged.retries,
                "callers' errors": sum(call.result != FAIL and call.error != "" for call in calls),
                "findings": len(report.findings),
                **figures,
            }
        )
        return report


@contextmanager
def prepared(run: Run, urls: Sequence[str] = ()) -> Iterator[Harness]:
    """Yield a harness with audits, and remove all that it has created.

    :param urls: those that the processes use, instead of the run's
    """
    history.install(run.urls[0])
    try:
        with tempfile.TemporaryDirectory() as folder:
            harness = Harness(run, urls or run.urls, Path(folder))
            try:
                harness.seed()
                yield harness
            finally:
                harness.stop()
    finally:
        history.remove(run.urls[0])


def seed(worker: Worker) -> None:
    """Store audits."""
    worker.seed(worker.given["number"])
