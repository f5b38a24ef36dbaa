# SPDX-License-Identifier: Apache-2.0
"""The rows of the table in ``docs/runtimes.rst``."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests import servers
from tests.runtimes.crowds import CROWDS
from watcher_objects.testing import database as databases

#: Those that are patched late, after the library was imported, are rows of their own.
RUNTIMES = (*CROWDS, "eventlet-late", "gevent-late")
#: SQLite in a process that forks has tests of its own.
CASES = [(r, k) for r in RUNTIMES for k in servers.KINDS if (r, k) != ("fork", "sqlite")]


class Worker:
    """A process of one runtime."""

    def __init__(self, runtime: str, folder: Any) -> None:
        self.runtime = runtime
        module = ("-m", "tests.runtimes.worker", runtime, str(folder))
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-W", "ignore", *module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, url: str) -> Any:
        """Return the outcomes on a database; what ended the process is in its errors."""
        print(url, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def worker_of(tmp_path_factory) -> Iterator[Callable[[str], Worker]]:
    """Return the worker of a runtime, which all databases share while it lives."""
    with ExitStack() as stack:
        running: list[Worker] = []

        def worker_of(runtime: str) -> Worker:
            is_there = running and running[0].process.poll() is None
            if not is_there or running[0].runtime != runtime:
                stack.close()
                running[:] = [Worker(runtime, tmp_path_factory.mktemp(runtime))]
                stack.callback(running[0].close)
            return running[0]

        yield worker_of


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def outcomes(request, database_urls, worker_of) -> dict[str, Any]:
    """The outcomes of all scenarios in a runtime on a database."""
    runtime, kind = request.param
    with databases.emptied(databases.upgraded(database_urls(kind))) as url:
        pass
    return worker_of(runtime).ask(url)


def test_calls_of_all_kinds_work(outcomes):
    assert {*outcomes["basics"]} == {True}


def test_exactly_one_claim_wins(outcomes):
    assert outcomes["claims"] == [False] * (len(outcomes["claims"]) - 1) + [True]


def test_transactions_commit_and_roll_back_independently(outcomes):
    assert outcomes["transactions"] == ["kept", None] * (len(outcomes["transactions"]) // 2)


def test_connections_are_kept(outcomes):
    assert outcomes["connections"] == 0


def test_a_call_that_waits_for_a_lock_does_not_stop_the_others(outcomes):
    assert outcomes["blocked"] == {"in_order": True, "went_on": True}


def test_after_a_limit_each_call_gets_its_own_row(outcomes):
    assert outcomes["limits"] == {"struck": True, "own": True}
