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
from tests.chaos.tiers import LONG
from tests.runtimes.crowds import CROWDS
from watcher_objects.testing import database as databases

#: Those that are patched late, after the library was imported, and another hub are variants:
#: one database is enough for each, except in the long tier.
VARIANTS = {
    "eventlet-on-asyncio": ["postgresql"],
    "eventlet-late": ["mariadb"],
    "gevent-late": ["postgresql"],
}
CASES = [
    (runtime, kind)
    for runtime in [*CROWDS, "eventlet-late", "gevent-late"]
    for kind in (servers.KINDS if LONG else VARIANTS.get(runtime, servers.KINDS))
    # SQLite in a process that forks has tests of its own.
    if (runtime, kind) != ("fork", "sqlite")
]


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


@pytest.mark.parametrize(("runtime", "kind"), CASES)
def test_a_runtime_is_supported(runtime, kind, database_urls, worker_of):
    with databases.emptied(databases.upgraded(database_urls(kind))) as url:
        pass
    size = CROWDS[runtime.removesuffix("-late")].size
    assert worker_of(runtime).ask(url) == {
        "basics": [True] * size,
        "claims": [False] * (size - 1) + [True],
        "transactions": ["kept", None] * (size // 2),
        "connections": 0,
        "blocked": {"in_order": True, "went_on": True},
        "limits": {"struck": True, "own": True},
    }
