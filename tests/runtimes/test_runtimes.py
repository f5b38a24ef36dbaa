# SPDX-License-Identifier: Apache-2.0
"""The rows of the table in ``docs/runtimes.rst``."""

import contextlib
import json
import subprocess
import sys

import pytest

from tests import servers
from tests.chaos.tiers import LONG
from tests.runtimes.crowds import CROWDS
from watcher_objects.testing import database as databases

#: The databases of each runtime. Another hub, and those that are patched late, after the
#: library was imported, need only one, except in the long tier.
RUNTIMES = {
    **dict.fromkeys(CROWDS, servers.KINDS),
    "eventlet-on-asyncio": servers.KINDS if LONG else ["postgresql"],
    "eventlet-late": servers.KINDS if LONG else ["mariadb"],
    "gevent-late": servers.KINDS if LONG else ["postgresql"],
    # SQLite in a process that forks has tests of its own.
    "fork": [*servers.SERVERS],
}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_is_supported(runtime, database_urls, tmp_path):
    urls = []
    for kind in RUNTIMES[runtime]:
        with (
            contextlib.suppress(pytest.skip.Exception),
            databases.emptied(databases.upgraded(database_urls(kind))) as url,
        ):
            urls.append(url)
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "ignore", "-m", "tests.runtimes.worker", runtime, tmp_path],
        input="\n".join(urls),
        capture_output=True,
        text=True,
        check=False,
    )
    size = CROWDS[runtime.removesuffix("-late")].size
    expected = {
        "basics": [True] * size,
        "claims": [False] * (size - 1) + [True],
        "transactions": ["kept", None] * (size // 2),
        "connections": 0,
        "blocked": {"in_order": True, "went_on": True},
        "limits": {"struck": True, "own": True},
    }
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [expected] * len(urls), done.stderr
