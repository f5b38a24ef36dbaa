# SPDX-License-Identifier: Apache-2.0
"""Watcher's own objects, unmodified, in a process of their own."""

import json
import subprocess
import sys
import tempfile

_PRELUDE = """
import json, sys, threading, time
from tests.chaos import peer
from watcher import objects
from watcher.db.sqlalchemy import migration
context = peer.configured(sys.argv[1])
"""


def start(script, *words):
    """Run a script that has ``objects`` and a ``context``; the first word is a database's URL."""
    command = [sys.executable, "-W", "ignore", "-c", _PRELUDE + script, *words]
    # A pipe would be full before anybody reads it.
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - the process writes to it
    started = subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    started.errors = errors
    return started


def ended(started):
    """Return what a script has printed as JSON, when its input has ended and it has, too."""
    out, _ = started.communicate(timeout=60)
    with started.errors as errors:
        errors.seek(0)
        assert started.returncode == 0, errors.read()
    return json.loads(out)
