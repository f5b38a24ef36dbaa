# SPDX-License-Identifier: Apache-2.0
"""The scenarios: each is a function of a run's options, and what it needs."""

import functools
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from tests.chaos import history
from tests.chaos.checker import Finding, Kind, is_transition
from tests.chaos.harness import MOVES, Harness, Report, Run, Worker, prepared
from tests.chaos.instances import Need, Server
from tests.chaos.proxy import Proxy
from tests.chaos.workers import workers
from watcher_objects.states import State

#: Audits that a worker lists at once, and then claims one by one.
CLAIMED = 5
#: How often a worker reads an audit again before it claims it, and may find it claimed.
REREAD = 0.2
#: Audits that a caller of any mix lists at once, and the number of objects that it keeps.
LISTED, HANDLES = 20, 60
#: How often a call is legal, if the object is up to date.
SENSIBLE = 0.8
#: How often a caller goes on with the object that it had before a move.
FORGETFUL = 0.3
#: The size of a writer's log, and seconds after that, when it is killed: the largest.
KILL_SIZE, KILL_SECONDS = 10_000, 0.01
#: Kills after which the files of SQLite are copied.
BETWEEN_COPIES = 20
#: The bytes that each worker logs between two disturbances.
DISTURB_SIZE = 4_000
#: Seconds for which a server is frozen.
FROZEN = 3
#: Messages among which one is cut.
MESSAGES = 50
#: The size of a worker's log when a node of the cluster is killed.
NODE_SIZE = 5_000
#: A life of an audit.
LIFE = ("claim", "touch", "suspend", "resume", "finish", "delete")


def claims(run: Run) -> Report:
    """All processes claim the same PENDING audits: each is won once, and none is left."""
    with prepared(run) as harness:
        harness.work(contest, audits=run.audits)
        return harness.report("claims", none_left=True)


def contest(worker: Worker) -> None:
    """Claim whatever is PENDING, until nothing is."""
    options = {"filters": {"state": State.PENDING}, "limit": CLAIMED, "sort_key": "id"}
    for _ in range(worker.given["audits"] // CLAIMED):
        batch = worker.list(**options)
        # All have seen the same audits PENDING, and claim them at the same moment.
        worker.begin()
        _claim(worker, batch)
    while (batch := worker.list(**options)) != []:
        _claim(worker, batch)


def _claim(worker: Worker, batch: Sequence[Any] | None) -> None:
    for audit in batch or ():
        if worker.random.random() < REREAD:
            worker.refresh(audit)
        worker.move(audit, "claim")


def mix(run: Run) -> Report:
    """All processes make any calls to all audits, with objects of any age."""
    with prepared(run) as harness:
        harness.work(make_calls, calls=run.calls)
        return harness.report("mix")


def make_calls(worker: Worker) -> None:
    """Make a number of calls."""
    caller = Caller(worker)
    worker.begin()
    for _ in range(worker.given["calls"]):
        caller.call()


def make_calls_for_ever(worker: Worker) -> None:
    """Make calls until the process is killed."""
    caller = Caller(worker)
    while True:
        caller.call()


class Caller:
    """Makes any calls, with objects that it reads again only by chance."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._random = worker.random
        self._handles: dict[str, Any] = {}

    def call(self) -> None:
        """Make one call."""
        kinds = {self._list: 5, self._worker.create: 10, self._refresh: 10, self._move: 75}
        if not self._handles:
            self._list()
        if not self._handles:
            self._worker.create()
            return
        (do,) = self._random.choices([*kinds], [*kinds.values()])
        do()

    def _list(self) -> None:
        order = self._random.choice(["asc", "desc"])
        for audit in self._worker.list(limit=LISTED, sort_key="id", sort_dir=order) or ():
            self._handles.setdefault(audit.uuid, audit)
        while len(self._handles) > HANDLES:
            self._handles.pop(next(iter(self._handles)))

    def _refresh(self) -> None:
        ident, audit = self._random.choice([*self._handles.items()])
        if not self._worker.refresh(audit):
            del self._handles[ident]

    def _move(self) -> None:
        ident, audit = self._random.choice([*self._handles.items()])
        ops = [*MOVES]
        if self._random.random() < SENSIBLE:
            ops = [
                op
                for op, new in MOVES.items()
                if new is None or is_transition(audit.state, new, audit.audit_type)
            ]
        # An object from before the move is as old as if another process had made it.
        self._handles[ident] = audit.obj_clone()
        if not self._worker.move(audit, self._random.choice(ops)):
            del self._handles[ident]
        elif self._random.random() > FORGETFUL:
            self._handles[ident] = audit


def kills(run: Run) -> Report:
    """Writers are killed at random moments; each is replaced at once.

    On SQLite the files as they are while all writers stand still are checked, too.
    """
    chance = random.Random(run.kills)  # noqa: S311 - no secret
    findings: list[Finding] = []
    with prepared(run) as harness:
        writers = [harness.start(make_calls_for_ever) for _ in range(run.processes)]
        for number in range(run.kills):
            victim = writers.pop(0)
            harness.await_log(victim, chance.randrange(1, KILL_SIZE))
            time.sleep(chance.uniform(0, KILL_SECONDS))
            harness.kill(victim)
            writers.append(harness.start(make_calls_for_ever))
            if number % BETWEEN_COPIES == 0 and run.urls[0].startswith("sqlite"):
                findings += _check_copy(harness, writers)
        harness.stop()
        return harness.report("kills", more=findings, disturbances=run.kills)


def _check_copy(harness: Harness, writers: Sequence[BaseProcess]) -> list[Finding]:
    source = Path(sa.make_url(harness.run.urls[0]).database or "")
    with tempfile.TemporaryDirectory() as folder:
        with _stopped(writers):
            for path in source.parent.glob(f"{source.name}*"):
                shutil.copy(path, folder)
            logged = history.load(harness.folder)
        copy = Path(folder) / source.name
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return harness.check(logged, history.read(f"sqlite:///{copy}"))


@contextmanager
def _stopped(writers: Sequence[BaseProcess]) -> Iterator[None]:
    for writer in writers:
        os.kill(writer.pid, signal.SIGSTOP)
    for writer in writers:
        # The signal takes effect later.
        while Path(f"/proc/{writer.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
    yield
    for writer in writers:
        os.kill(writer.pid, signal.SIGCONT)


def cut(run: Run) -> Report:
    """The network is cut at any message, before or after the server receives it."""
    chance = random.Random(run.kills)  # noqa: S311 - no secret
    proxy = Proxy(*map(sa.make_url, run.urls))

    def cut_one(harness: Harness) -> None:
        with proxy.failing(chance.randint(1, MESSAGES), chance.choice([False, True])):
            harness.until(lambda: proxy.raised)

    with closing(proxy):
        return _disturbed("cut", run, cut_one, run.kills, [proxy.address])


def restart(server: Server) -> None:
    """End a server as an administrator does, and start it."""
    server.stop()
    server.start()


def crash(server: Server) -> None:
    """End a server as a power failure does, and start it."""
    server.kill()
    server.start()


def freeze(server: Server) -> None:
    """Stop a server for a while."""
    server.freeze()
    time.sleep(FROZEN)
    server.thaw()


def disturb(what: Callable[[Server], None], run: Run) -> Report:
    """The server is disturbed while all processes work."""
    return _disturbed(what.__name__, run, lambda harness: what(run.servers[0]), run.restarts)


def _disturbed(
    scenario: str,
    run: Run,
    what: Callable[[Harness], None],
    times: int,
    urls: Sequence[str] = (),
) -> Report:
    """Disturb writers and readers, each with audits of its own.

    As nobody else writes these, each call whose answer gets lost has to find out its outcome.
    """
    with prepared(run, urls) as harness:
        stop = harness.folder / "stop"
        workers = [
            harness.start(lead_lives, stop=stop, number=number, of=run.processes)
            for number in range(run.processes)
        ]
        for _ in range(times):
            _await_calls(harness, workers)
            what(harness)
        _await_calls(harness, workers)
        stop.touch()
        harness.wait()
        return harness.report(scenario, disturbances=times)


def _await_calls(harness: Harness, workers: Sequence[BaseProcess]) -> None:
    """Wait until each has made some calls since now."""
    sizes = [harness.logged(worker) + DISTURB_SIZE for worker in workers]
    for worker, size in zip(workers, sizes, strict=True):
        harness.await_log(worker, size)


def lead_lives(worker: Worker) -> None:
    """Lead the lives of the worker's own audits, and read the others."""
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
                if not worker.move(audit, op):
                    break
                if op != "delete":
                    worker.refresh(audit)
        worker.create()


def node_crash(run: Run) -> Report:
    """A node dies while all processes make any calls on the other nodes."""
    with prepared(run, run.urls[:-1]) as harness:
        harness.work(make_calls, during=_node_killer(harness), calls=run.calls)
        return harness.report("node-crash", disturbances=1)


def failover(run: Run) -> Report:
    """All processes claim all audits; those on the node that dies go on with another.

    The outcome of a claim is open if its answer gets lost, and another has the audit then.
    """
    proxy = Proxy(*map(sa.make_url, reversed(run.urls)))
    with closing(proxy), prepared(run, [*run.urls[:-1], proxy.address]) as harness:
        harness.work(contest, during=_node_killer(harness), audits=run.audits)
        return harness.report("failover", none_left=True, allowed={Kind.OPEN}, disturbances=1)


def _node_killer(harness: Harness) -> Callable[[BaseProcess], None]:
    def kill(worker: BaseProcess) -> None:
        harness.await_log(worker, NODE_SIZE)
        harness.run.servers[-1].kill()

    return kill


class Scenario(NamedTuple):
    run: Callable[[Run], Report]
    needs: Need = Need.DATABASE


SCENARIOS = {
    "claims": Scenario(claims),
    "workers": Scenario(workers),
    "mix": Scenario(mix),
    "kills": Scenario(kills),
    "cut": Scenario(cut, Need.NETWORK),
    "restart": Scenario(functools.partial(disturb, restart), Need.SERVER),
    "crash": Scenario(functools.partial(disturb, crash), Need.SERVER),
    "freeze": Scenario(functools.partial(disturb, freeze), Need.SERVER),
    "node-crash": Scenario(node_crash, Need.CLUSTER),
    "failover": Scenario(failover, Need.CLUSTER),
}


def needing(need: Need) -> list[str]:
    """Return the names of the scenarios that need just that."""
    return [name for name, scenario in SCENARIOS.items() if scenario.needs is need]
