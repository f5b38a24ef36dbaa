# SPDX-License-Identifier: Apache-2.0
"""What a worker process is: it makes calls, and writes each down before and after."""

import importlib
import logging
import os
import random
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import faults
from tests.chaos.ledger import FAIL, OK, UNKNOWN, Ledger, Sight, Told
from watcher_objects.states import AuditType, State

#: What a worker can do with an audit, and the state that this asks for.
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


@dataclass(frozen=True)
class Job:
    """What a process is started for."""

    name: str
    task: Callable[["Worker"], None]
    url: str
    folder: Path
    subject: str
    fault: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


class Worker:
    """The calls of one process to the subject, and its ledger."""

    def __init__(self, job: Job) -> None:
        self.given = job.given
        self.random = random.Random(job.name)  # noqa: S311 - no secret
        self._ledger = Ledger(job.folder, job.name)
        module = importlib.import_module(f"tests.chaos.{job.subject}")
        self.subject = module.Subject(job.url, self._hear)
        _Retries(*self.subject.RETRIES, self._ledger)
        self._goal_id: int | None = None

    def begin(self) -> None:
        """Wait until all workers are about to begin."""
        self.given["together"].wait()

    def seed(self, number: int) -> None:
        """Store audits, all at once."""
        given = {"display_name": "chaos", "efficacy_specification": []}
        self.subject.Goal(self.subject.context, name=str(uuid.uuid4()), **given).create()
        idents = [str(uuid.uuid4()) for _ in range(number)]
        tokens = [self._ledger.invoke("create", ident, State.PENDING) for ident in idents]
        audits = list(map(self._new, idents, tokens))
        self.subject.Audit.create_many(self.subject.context, audits)
        for token in tokens:
            self._ledger.outcome(token, OK)

    def create(self) -> bool:
        """Store an audit; tell whether that was done."""
        ident = str(uuid.uuid4())

        def do(token: str) -> None:
            self._new(ident, token).create()

        return self._call(do, "create", ident, State.PENDING)

    def move(self, audit: Any, op: str) -> bool:
        """Do something with an audit; tell whether that was done.

        A handle with which it was not still wants to write it, and is good for nothing else.
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

    def refresh(self, audit: Any) -> bool:
        """Read an audit again; tell whether it is there."""
        return self._call(lambda token: (audit.refresh(), self._see(audit)), "refresh", audit.uuid)

    def list(self, **asked: Any) -> Sequence[Any] | None:
        """Return audits; None where they can't be had."""
        found: list[Any] = []

        def do(token: str) -> None:
            # The peer can't save what was read without its goal.
            found.extend(self.subject.Audit.list(self.subject.context, eager=True, **asked))
            for audit in found:
                self._see(audit)

        return found if self._call(do, "list", "") else None

    def _call(self, do: Callable[[str], Any], op: str, audit: str, to: str | None = None) -> bool:
        token = self._ledger.invoke(op, audit, to)
        try:
            do(token)
        except self.subject.REFUSALS as error:
            self._ledger.outcome(token, FAIL, error)
        except Exception as error:
            self._ledger.outcome(token, UNKNOWN, error)
        else:
            self._ledger.outcome(token, OK)
            return True
        return False

    def _new(self, ident: str, token: str) -> Any:
        if self._goal_id is None:
            self._goal_id = self.subject.Goal.list(self.subject.context)[0].id
        kind = self.random.choice((AuditType.ONESHOT, AuditType.EVENT)).value
        given = {"parameters": {}, "scope": [], "audit_type": kind, "goal_id": self._goal_id}
        said = {"uuid": ident, "name": token, "status_message": token}
        return self.subject.Audit(self.subject.context, **said, **given)

    def _see(self, audit: Any) -> None:
        self._ledger.saw(Sight(audit.uuid, audit.status_message, audit.state))

    def _hear(self, kind: str, audit: Any, old: str | None) -> None:
        self._ledger.event(Told(kind, audit.uuid, audit.status_message, old))


class _Retries(logging.Handler):
    """Notes each call that is tried again, by what the subject logs of it."""

    def __init__(self, logger: str, beginning: str, ledger: Ledger) -> None:
        super().__init__()
        self._beginning, self._ledger = beginning, ledger
        logging.getLogger(logger).setLevel(logging.DEBUG)
        logging.getLogger(logger).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(self._beginning):
            self._ledger.again()


def run(job: Job) -> None:
    """Do a job, in a process of its own; leave word of what goes wrong with the harness."""
    try:
        worker = Worker(job)
        if job.fault:
            faults.FAULTS[job.fault].plant()
        job.task(worker)
    except BaseException:
        (job.folder / f"{job.name}.crash").write_text(traceback.format_exc())
        # A thread of a driver must not keep the process.
        os._exit(1)
