# SPDX-License-Identifier: Apache-2.0
"""Two deployments that run the same scenario: Watcher alone, and Watcher on our objects."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.chaos import instances
from tests.deployment import comparison, report
from tests.deployment.deployment import Deployment

_TABLES = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.stash[_TABLES] = []


def pytest_terminal_summary(terminalreporter, config):
    """Print the comparisons."""
    for table in config.stash[_TABLES]:
        terminalreporter.section("Watcher alone, and on these objects")
        terminalreporter.write(table)


@contextmanager
def deployed(**options):
    """Yield a deployment that runs, in a folder of its own."""
    with instances.shelter() as folder, Deployment(folder, **options) as deployment:
        yield deployment


def _reported(options):
    with deployed(**options) as deployment:
        return report.of(deployment)


@pytest.fixture(scope="session")
def compared(request):
    """A function that runs the scenario with Watcher alone and on our objects, at once."""

    def compare(**options):
        both = [{"ours": ours, **options} for ours in (False, True)]
        with ThreadPoolExecutor() as pool:
            reports = comparison.Comparison(*pool.map(_reported, both))
        title = ", ".join(options.values())
        request.config.stash[_TABLES].append(f"{title}\n{reports.table()}")
        return reports

    return compare
