# SPDX-License-Identifier: Apache-2.0
"""How many calls a second a server answers over a message bus, next to local calls.

``python -m benchmarks.rpc --broker rabbit://guest:guest@127.0.0.1:5672/`` prints JSON. Client,
server and an SQLite database are on this machine; the server is a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oslo_context.context import RequestContext

from watcher_objects import Audit, Goal, db, rpc
from watcher_objects.db import migration

TOPIC = "watcher_objects_benchmark"
CONFIGURATION = """[DEFAULT]
transport_url = {broker}
[watcher_objects]
topic = {topic}
"""
context = RequestContext()


def calls(audit: Any) -> dict[str, Callable[[], Any]]:
    """Return what is called; each thread has an audit of its own."""

    def save() -> None:
        audit.status_message = f"{time.monotonic_ns()}"
        audit.save()

    return {
        "get": lambda: Audit.get(context, audit.id),
        "list of 100": lambda: Audit.list(context, limit=100),
        "save": save,
    }


def rate(name: str, audits: list[Any], seconds: float) -> float:
    """Return how many calls a second there are, with a thread for each audit."""
    end = time.monotonic() + seconds
    done = [0] * len(audits)

    def run(number: int) -> None:
        call = calls(audits[number])[name]
        while time.monotonic() < end:
            call()
            done[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(audits))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(sum(done) / seconds, 1)


def measured(threads: int, seconds: float) -> dict[str, float]:
    """Return the rates of all calls."""
    audits = Audit.list(context, limit=threads)
    return {name: rate(name, audits, seconds) for name in calls(audits[0])}


def populate() -> None:
    """Make a schema, and a thousand audits."""
    migration.upgrade()
    goal = Goal(context, name="goal", display_name="Goal", efficacy_specification=[])
    goal.create()
    one = {"audit_type": "ONESHOT", "goal_id": goal.id, "parameters": {"cpu": 0.8}}
    Audit.create_many(context, [Audit(context, name=f"audit {n}", **one) for n in range(1000)])


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", default="rabbit://guest:guest@127.0.0.1:5672/")
    parser.add_argument("--seconds", type=float, default=5, help="for each call")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/audits.sqlite"
        db.configure(url)
        populate()
        (Path(folder) / "conf").write_text(
            CONFIGURATION.format(broker=options.broker, topic=TOPIC)
        )
        command = ["-W", "ignore", "-m", "watcher_objects.cli.app", "--database", url, "serve"]
        server = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *command, "--config-file", f"{folder}/conf"],
            stderr=subprocess.DEVNULL,
        )
        for threads in (1, 4):
            found[f"here, {threads} threads"] = measured(threads, options.seconds)
            rpc.enable(options.broker, topic=TOPIC)
            found[f"over RPC, {threads} threads"] = measured(threads, options.seconds)
            rpc.disable()
        server.terminate()
        server.wait()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
