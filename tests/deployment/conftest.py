# SPDX-License-Identifier: Apache-2.0
"""Two deployments that run the same scenario: Watcher alone, and Watcher on our objects."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos import instances
from tests.deployment import comparison, report
from tests.deployment.deployment import RELEASE, Deployment

_TABLES = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.stash[_TABLES] = []


def pytest_terminal_summary(terminalreporter, config):
    """Print the comparisons."""
    for table in config.stash[_TABLES]:
        terminalreporter.section("Watcher alone, and on these objects")
        terminalreporter.write(table)


@contextmanager
def _deployed(**options):
    """Yield a deployment in a folder of its own, whose logs WATCHER_OBJECTS_TEST_LOGS keeps."""
    with instances.shelter() as folder:
        try:
            with Deployment(folder, **options) as deployment:
                yield deployment
        finally:
            if kept := os.environ.get("WATCHER_OBJECTS_TEST_LOGS"):
                name = "-".join(str(value) for value in options.values())
                only_logs = shutil.ignore_patterns("server", "broker")
                shutil.copytree(folder, Path(kept) / name, ignore=only_logs, dirs_exist_ok=True)


@pytest.fixture
def deployed():
    """A function whose context has a deployment that runs, in a folder of its own."""
    return _deployed


def _reported(options):
    with _deployed(**options) as deployment:
        return report.of(deployment)


@pytest.fixture(scope="session")
def compared(request):
    """A function that runs the scenario with Watcher alone and on our objects, at once."""

    def compare(**options):
        both = [{"ours": ours, **options} for ours in (False, True)]
        with ThreadPoolExecutor() as pool:
            reports = comparison.Comparison(*pool.map(_reported, both))
        title = f"Watcher {RELEASE}, {', '.join(options.values())}"
        request.config.stash[_TABLES].append(f"{title}\n{reports.table()}")
        return reports

    return compare
