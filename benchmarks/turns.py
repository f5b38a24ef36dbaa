# SPDX-License-Identifier: Apache-2.0
"""Calls that are timed in turn, in one process, on each database that can be reached."""

import argparse
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import databases
from watcher_objects import db

SERVERS = ("postgresql://postgres@127.0.0.1/", "mysql://root@127.0.0.1/")

#: What is timed, by name: groups one after the other, the calls of each in random turn. All calls
#: of a round get the same key.
Calls = Sequence[Mapping[str, Callable[[str], Any]]]
#: Names of calls -> the name of the call that they are compared with, and the ratio to reach; None
#: for none.
Goals = Mapping[str, tuple[str, float | None]]


def measured(calls: Calls, goals: Goals, rounds: int) -> dict[str, Any]:
    """Return the median times in milliseconds, and their ratios."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        key = str(uuid.uuid4())
        for group in calls:
            for name in random.sample([*group], len(group)):
                begun = time.perf_counter()
                group[name](key)
                times.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratios = {name: medians[name] / medians[base] for name, (base, _) in goals.items()}
    return {
        "milliseconds": {name: round(found, 3) for name, found in medians.items()},
        "ratios": {name: round(ratio, 2) for name, ratio in ratios.items()},
        "reached": {
            name: round(ratios[name], 2) <= goal for name, (_, goal) in goals.items() if goal
        },
    }


def main(about: str | None, calls: Callable[[str], Calls], goals: Callable[[str], Goals]) -> None:
    """Measure on each database, and print JSON.

    :param calls: gets the URL of a database, which is configured
    :param goals: gets the name of the database
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=500)
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for base in (f"sqlite:///{folder}", *SERVERS):
            kind, url = base.partition(":")[0], databases.place(base, "turns")
            try:
                databases.make(url, 1000, "usual", plain=False)
            except Exception as error:
                print(f"{base} is left out: {error}", file=sys.stderr)
                continue
            with contextlib.ExitStack() as stack:
                stack.callback(databases.drop, url)
                stack.callback(db.dispose)
                db.configure(url)
                found[kind] = measured(calls(url), goals(kind), options.rounds)
    print(json.dumps(found, indent=1))
