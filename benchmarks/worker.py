# SPDX-License-Identifier: Apache-2.0
"""The process of an implementation: a JSON line of an answer for each of a question."""

import contextlib
import gc
import json
import os
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from importlib import metadata
from typing import Any, Protocol

from benchmarks import rows, sql
from benchmarks.answers import Answers
from benchmarks.operations import Operations, another_text

#: Seconds that calls should take together, and how many calls there are at most.
BATCH, MOST = 0.03, 2000
PACKAGES = (
    "watcher-objects",
    "python-watcher",
    "Django",
    "SQLAlchemy",
    "oslo.versionedobjects",
    "psycopg",
    "PyMySQL",
)


class Implementation(Protocol):
    """What an implementation can do; the objects are its own, the times in UTC."""

    def construct(self, values: dict[str, Any]) -> Any:
        """Return a new audit, not stored."""

    def create(self, audit: Any) -> Any:
        """Store a new audit."""

    def get(self, ident: str, eager: bool = False) -> Any:
        """Return the audit with a uuid, with goal and strategy if eager."""

    def list(self, limit: int | None, state: str | None = None, eager: bool = False) -> Any:
        """Return the first audits by id."""

    def read(self, audit: Any, eager: bool = False) -> None:
        """Read every field, documents as values; of goal and strategy too if eager."""

    def save(self, audit: Any, text: str) -> None:
        """Give an audit another status_message and hostname, and store that."""

    def refresh(self, audit: Any) -> Any:
        """Read an audit's row again."""

    def soft_delete(self, audit: Any) -> None:
        """Set the state DELETED and the time, and hide the row."""

    def destroy(self, audit: Any) -> None:
        """Remove an audit's row."""

    def as_dict(self, audit: Any, eager: bool = False) -> dict[str, Any]:
        """Return every column of an audit as it is read, and those of goal and strategy."""


class Worker:
    """An implementation, and a bare connection that sets the stage for it."""

    def __init__(self, implementation: Any, url: str) -> None:
        self.implementation = implementation
        self.database = sql.Database(url)
        self.operations = Operations(implementation, self.database)
        self._repetitions: dict[str, int] = {}
        self._held: list[Any] = []

    def versions(self) -> dict[str, str]:
        """Return what this is made of."""
        found = {"Python": sys.version.split()[0], "server": self.database.version()}
        for name in PACKAGES:
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
        return found

    def answers(self) -> dict[str, Any]:
        """Return what each operation comes to, for a comparison."""
        return Answers(self.implementation, self.operations, self.database).all()

    def time(self, op: str) -> float | None:
        """Return the seconds that an operation takes once; None if it can't be done."""
        if not self.operations.can(op):
            return None
        if op not in self._repetitions:
            self._calibrate(op)
        return self._time(op, self._repetitions[op])

    def _calibrate(self, op: str) -> None:
        fixed = self.operations.fixed(op)
        self._time(op, fixed or 3)
        calls = int(BATCH / (self._time(op, fixed or 3) * self.operations.per(op)))
        self._repetitions[op] = fixed or max(1, min(MOST, calls))

    def _time(self, op: str, count: int) -> float:
        with self.operations.prepared(op, count) as (call, subjects):
            gc.collect()
            begun = time.perf_counter()
            for subject in subjects:
                call(subject)
            took = time.perf_counter() - begun
        return took / count / self.operations.per(op)

    def memory(self, how: str) -> dict[str, float]:
        """Return the bytes that each of all listed objects takes, kept and at the peak."""
        self.operations.listed(how, 10)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        found = self.operations.listed(how, None)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return {"kept": (kept - before) / len(found), "peak": (peak - before) / len(found)}

    def iterate(self, batch: int) -> dict[str, float] | None:
        """Return the bytes at the peak of a walk over all objects; None if it can't walk."""
        walk: Callable[[int], Any] | None = getattr(self.implementation, "iterate", None)
        if walk is None:
            return None
        next(iter(walk(10)))
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        number = sum(1 for _ in walk(batch))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return {"objects": number, "peak": peak - before}

    def hold(self, first: int, count: int) -> int:
        """Get audits, to be saved when the others are ready too."""
        get = self.implementation.get
        self._held = [get(rows.ident(n), eager=True) for n in range(first, first + count)]
        return len(self._held)

    def save_held(self) -> dict[str, Any]:
        """Save them, each once; times are of a clock that all processes of a machine share."""
        errors: Counter[str] = Counter()
        text = another_text(random.getrandbits(32))
        begun = time.monotonic()
        for audit in self._held:
            try:
                self.implementation.save(audit, text)
            except Exception as error:
                errors[str(error).partition("\n")[0][:60]] += 1
        return {"begun": begun, "ended": time.monotonic(), "errors": errors}


def serve(make: Callable[[str], Any], worker: Callable[[Any, str], Any] = Worker) -> None:
    """Answer with a worker's methods until there is nothing more to do.

    The first argument of the program is the database's URL.
    """
    url = sys.argv[1]
    # Output that is printed does not count as an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _answer(worker(make(url), url), answers)


def _answer(worker: Any, answers: Any) -> None:
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            answer = {"answer": getattr(worker, verb)(**arguments)}
        except Exception as error:
            answer = {"error": f"{verb} {arguments}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
