# SPDX-License-Identifier: Apache-2.0
"""A secret in ``parameters``, in the URL's password or in the token is in no output."""

import json
import subprocess
import sys
from pathlib import Path

from tests.servers import CANARY, account

ROOT = Path(__file__).parents[2]
MAY = "SELECT, INSERT, UPDATE, DELETE"


def told(owner, url):
    """Run the scenario; return what it says at its end, and all that it has said."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "tests.redaction.scenario"],
        input=json.dumps([owner, url]),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *_, failed, unknown = map(json.loads, done.stdout.splitlines()[-2:])
    return failed, unknown, done.stdout + done.stderr


def test_a_secret_is_in_no_output_whatever_goes_wrong(url, database):
    if database == "sqlite":
        failed, unknown, said = told(url, url)
    else:
        with account(url, MAY) as limited:
            failed, unknown, said = told(url, limited)
    leaks = [line[:200] for line in said.splitlines() if CANARY in line]
    assert (leaks, unknown, failed["not failed"]) == ([], [], [])
    assert failed["failed"] > 250
