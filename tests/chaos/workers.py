# SPDX-License-Identifier: Apache-2.0
"""A scenario of workers that claim audits, and are killed, frozen and cut off."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests import servers
from tests.chaos import history, leases
from tests.chaos.harness import Harness, Report, Run, Worker, prepared
from tests.chaos.proxy import Proxy
from watcher_objects import Audit, claims, exception
from watcher_objects.states import State

#: Seconds after its last heartbeat for which a worker is taken to be alive.
TTL = 1
#: How often an audit may be claimed before it fails.
ATTEMPTS = 5
#: The sizes of batches, by turns.
BATCHES = (1, 10)
#: The steps of an audit, and the seconds that each takes at most.
STEPS, STEP = 3, 0.05
#: How often a worker drops a lease without ending it, or gives it back.
DROPPED = GIVEN_BACK = 0.02
#: Audits that wait at least while workers are disturbed, and that are added at once.
WAITING = 50
#: How often an operator cancels, or suspends and resumes, what is running.
CANCELLED, SUSPENDED = 0.05, 0.1
#: Seconds for which a worker is frozen, at least and at most, and between two disturbances.
FROZEN, PAUSE = (1.1 * TTL, 3 * TTL), (0.0, 0.2)
#: Disturbances after which the network is cut once, and messages among which it is.
CUT, MESSAGES = 5, 30
#: Seconds without a write after which nobody is taken to go on, also on a busy machine.
STALLED = 20 * TTL


def workers(run: Run) -> Report:
    """Workers are killed, frozen and cut off while they work; all audits are ended once."""
    with ExitStack() as stack:
        proxies = [] if run.urls[0].startswith("sqlite") else _proxies(run, stack)
        urls = [proxy.address for proxy in proxies] or run.urls
        harness = stack.enter_context(prepared(run, urls))
        disturbed = _Disturbed(harness, proxies)
        disturbed.run()
        limits = leases.Limits(ATTEMPTS, TTL)
        logged, records = history.load(harness.folder), history.read(run.urls[0])
        findings = leases.check(logged, records, limits)
        found = leases.figures(logged, records, findings)
        return Report(
            "workers", {**found, **disturbed.figures, "findings": len(findings)}, findings
        )


def _proxies(run: Run, stack: ExitStack) -> list[Proxy]:
    proxies = [stack.enter_context(closing(Proxy(sa.make_url(url)))) for url in run.urls]
    for proxy in proxies:
        proxy.is_whole = True
    return proxies


def work(worker: Worker) -> None:
    """Claim audits and work on them until the run ends."""
    stop, batch = worker.given["stop"], worker.given["batch"]
    while not stop.exists():
        with claims.Worker(worker.subject.context, host=worker.given["host"], ttl=TTL) as own:
            _log_leases(worker, own)
            threading.Thread(target=_stop, args=(own, stop), daemon=True).start()
            try:
                for lease in own.claims(Audit, batch=batch, attempts=ATTEMPTS):
                    _work_on(worker, own, lease)
                    del lease  # Else one that was dropped is held until there is another.
            except exception.WorkerLost:
                # It was frozen, and is another worker from now on.
                continue


def _stop(own: claims.Worker, stop: Path) -> None:
    while not stop.exists():
        time.sleep(0.1)
    own.stop()


def _log_leases(worker: Worker, own: claims.Worker) -> None:
    """Log each lease as soon as the worker has it."""
    claim = own._leases

    def logged(*args: Any) -> list[claims.Lease]:
        found = claim(*args)
        for lease in found:
            worker.log_lease(own.id, lease)
        return found

    own._leases = logged  # type: ignore[method-assign]


def _work_on(worker: Worker, own: claims.Worker, lease: claims.Lease) -> None:
    for _ in range(STEPS):
        time.sleep(worker.random.uniform(0, STEP))
        if not worker.write(own.id, lease, "touch", lease.save):
            return
    chance = worker.random.random()
    if chance < DROPPED:
        return
    if chance < DROPPED + GIVEN_BACK:
        worker.give_back(lease)
        return
    worker.write(own.id, lease, "finish", lambda **more: lease.finish(State.SUCCEEDED, **more))


def operate(worker: Worker) -> None:
    """Create audits, and cancel, suspend and resume some of those that run."""
    stop, goes_on = worker.given["stop"], worker.given["goes_on"]
    while not stop.exists():
        waiting = worker.list(filters={"state": State.PENDING}, limit=WAITING) or ()
        if goes_on.exists() and len(waiting) < WAITING:
            worker.seed(WAITING)
        for audit in worker.list(filters={"state": State.SUSPENDED}) or ():
            worker.move(audit, "resume")
        for audit in worker.list(filters={"state": State.ONGOING}) or ():
            if goes_on.exists() and worker.random.random() < CANCELLED:
                worker.move(audit, "cancel")
            elif goes_on.exists() and worker.random.random() < SUSPENDED:
                worker.move(audit, "suspend")
        time.sleep(0.2)


class _Disturbed:
    """Processes at work, and what is done to them."""

    def __init__(self, harness: Harness, proxies: Sequence[Proxy]) -> None:
        self._harness, self._proxies = harness, proxies
        self._chance = random.Random(harness.run.kills)  # noqa: S311 - no secret
        self._stop, self._goes_on = harness.folder / "stop", harness.folder / "goes_on"
        self._workers: dict[int, BaseProcess] = {}
        self._thawing: list[threading.Timer] = []
        self._frozen: set[int] = set()
        kinds = ("kills", "freezes", "cuts", "restarts", "crashes")
        self.figures: dict[str, float] = dict.fromkeys(kinds, 0)

    def run(self) -> None:
        """Disturb workers as often as the run says, and wait until all work is done."""
        run, began = self._harness.run, time.monotonic()
        self._goes_on.touch()
        for number in range(run.processes):
            self._start(number)
        self._harness.start(operate, stop=self._stop, goes_on=self._goes_on)
        disturb = [self._kill] * run.kills + [self._freeze] * run.kills
        if self._proxies:
            disturb += [self._cut] * (2 * run.kills // CUT)
        if run.servers:
            disturb += [self._restart] * run.restarts + [self._crash] * run.restarts
        self._chance.shuffle(disturb)
        for one in disturb:
            time.sleep(self._chance.uniform(*PAUSE))
            self._harness.check_crashes()
            one()
        for timer in self._thawing:
            timer.join()
        self._goes_on.unlink()
        self._await_end()
        self._stop.touch()
        self._harness.wait()
        self.figures["seconds"] = round(time.monotonic() - began, 1)

    def _start(self, number: int) -> None:
        """Start a worker on a host, which is the same each time for a number."""
        given = {"host": f"host-{number}", "batch": BATCHES[number % len(BATCHES)]}
        self._workers[number] = self._harness.start(work, stop=self._stop, **given)

    def _victim(self) -> int:
        """Return the number of a worker that is not frozen, of which there are always some."""
        awake = [n for n, one in self._workers.items() if one.pid not in self._frozen]
        return self._chance.choice(awake)

    def _kill(self) -> None:
        victim = self._victim()
        self._harness.kill(self._workers[victim])
        self._start(victim)
        self.figures["kills"] += 1

    def _freeze(self) -> None:
        most = max(1, len(self._workers) // 2)
        self._harness.until(lambda: len(self._frozen) < most)
        pid = self._workers[self._victim()].pid
        assert pid is not None
        self._frozen.add(pid)
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(self._chance.uniform(*FROZEN), self._thaw, [pid])
        timer.start()
        self._thawing.append(timer)
        self.figures["freezes"] += 1

    def _thaw(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)
        self._frozen.discard(pid)

    def _cut(self) -> None:
        proxy = self._chance.choice(self._proxies)
        message, is_done = self._chance.randint(1, MESSAGES), self._chance.choice([False, True])
        with proxy.failing(message, is_done):
            self._harness.until(lambda: proxy.raised)
        self.figures["cuts"] += 1

    def _restart(self) -> None:
        server = self._chance.choice(self._harness.run.servers)
        server.stop()
        server.start()
        self.figures["restarts"] += 1

    def _crash(self) -> None:
        server = self._chance.choice(self._harness.run.servers)
        server.kill()
        server.start()
        self.figures["crashes"] += 1

    def _await_end(self) -> None:
        """Wait until all audits are ended, or nobody writes any more."""
        with closing(servers.admin(self._harness.run.urls[0]).connect()) as connection:

            def count(query: str) -> Any:
                return connection.exec_driver_sql(query).scalar()

            self._harness.until(_Progress(count).has_ended)


class _Progress:
    """Whether workers go on."""

    def __init__(self, count: Callable[[str], Any]) -> None:
        self._count, self._seen, self._since = count, None, time.monotonic()

    def has_ended(self) -> bool:
        """Return whether no work is left, or nobody has written for long."""
        time.sleep(0.1)
        # In one query: the operator resumes what is SUSPENDED.
        states = "('PENDING', 'ONGOING', 'SUSPENDED')"
        if not self._count(f"SELECT count(*) FROM audits WHERE state IN {states}"):
            return True
        written = self._count("SELECT max(seq) FROM chaos_writes")
        if written != self._seen:
            self._seen, self._since = written, time.monotonic()
        return time.monotonic() - self._since > STALLED
