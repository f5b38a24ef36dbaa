# SPDX-License-Identifier: Apache-2.0
"""The benchmark runs, and what it compares is the same work."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import agreement, databases
from benchmarks.operations import OPS
from benchmarks.processes import Process

IMPLEMENTATIONS = ("ours", "driver")


@pytest.fixture
def workers(tmp_path):
    """A process for each implementation that needs nothing else, with a database of its own."""
    with ExitStack() as stack:
        started = {}
        for name in IMPLEMENTATIONS:
            url = f"sqlite:///{tmp_path}/{name}.sqlite"
            databases.make(url, 2000, "usual", plain=False)
            module = f"benchmarks.implementations.{name}"
            started[name] = stack.enter_context(Process(Path(sys.executable), module, url))
        yield started


def test_the_implementations_agree(workers):
    assert agreement.check(workers) > 10


def test_each_operation_is_timed(workers):
    times = {op: workers["ours"].ask("time", op=op) for op in OPS}
    assert min(times.values()) > 0
