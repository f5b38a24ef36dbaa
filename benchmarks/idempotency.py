# SPDX-License-Identifier: Apache-2.0
"""What an idempotency key costs: a create with a key, and a repeat of it, next to a plain create.

``python -m benchmarks.idempotency`` prints JSON. They are called in turn, on each database that
can be reached; the faster the disk, the more the additional round trips of a key count.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

from oslo_context.context import RequestContext

from benchmarks import databases
from watcher_objects import Audit, db, idempotency

SERVERS = ("postgresql://postgres@127.0.0.1/", "mysql://root@127.0.0.1/")
#: The ratios to a create that are to be reached.
GOALS = {"with a key": 1.5, "repeat": 0.25}
context = RequestContext()


def calls() -> dict[str, Callable[[str], Any]]:
    """Return what is timed; each call gets a key."""

    def create(key: str) -> str:
        audit = Audit(context, name=key, audit_type="ONESHOT", goal_id=1)
        audit.create()
        return audit.uuid

    def once(key: str) -> None:
        with idempotency.once(key, scope="project", fingerprint=key) as call:
            if not call.is_repeat:
                call.answer = {"uuid": create(key)}

    return {
        "create": create,
        "in a transaction": db.transaction()(create),
        "with a key": once,
        "repeat": once,
    }


def measured(rounds: int) -> dict[str, Any]:
    """Return the median times in milliseconds, and their ratios to a create."""
    times: dict[str, list[float]] = {}
    timed = calls()
    for _ in range(rounds):
        key = ""
        for name, call in timed.items():
            # A repeat has the key of the call before it.
            key = key if name == "repeat" else str(uuid.uuid4())
            begun = time.perf_counter()
            call(key)
            times.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratios = {name: round(found / medians["create"], 2) for name, found in medians.items()}
    return {
        "milliseconds": {name: round(found, 3) for name, found in medians.items()},
        "ratios": ratios,
        "reached": {name: ratios[name] <= goal for name, goal in GOALS.items()},
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for base in (f"sqlite:///{folder}", *SERVERS):
            url = databases.place(base, "keys")
            try:
                databases.make(url, 1000, grown=False, plain=False)
            except Exception as error:
                print(f"{base} is left out: {error}", file=sys.stderr)
                continue
            with contextlib.ExitStack() as stack:
                stack.callback(databases.drop, url)
                stack.callback(db.dispose)
                db.configure(url)
                found[base.partition(":")[0]] = measured(options.rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
