# SPDX-License-Identifier: Apache-2.0
"""A process that saves and merges, and counts in a document: of ours alone."""

import gc
import itertools
import random
import time
from typing import Any

from benchmarks import rows, worker
from benchmarks.implementations.ours import Ours

#: How often each way to write is called for one time.
CALLS = 100


class Merging:
    """The ways to write that keep the changes of others, next to ``save``."""

    def __init__(self, implementation: Ours, url: str) -> None:
        self.audits, self.context = implementation.audits, implementation.context
        self._numbers = itertools.count()

    def time(self, how: str) -> float:
        """Return the seconds that one write of a field and of a document takes."""
        write = getattr(self, f"_{how}")
        ident = rows.ident(random.randint(1, 1000))  # noqa: S311 - no secret
        audit = self.audits.get(self.context, ident)
        audit.parameters = {"n": -1, "host": {"cpu": 0.5}}
        audit.save()
        took = 0.0
        gc.collect()
        for _ in range(CALLS):
            number = next(self._numbers)
            audit.hostname, audit.parameters["n"] = f"host-{number}", number
            begun = time.perf_counter()
            write(audit)
            took += time.perf_counter() - begun
        return took / CALLS

    def _save(self, audit: Any) -> None:
        audit.save()

    def _merge(self, audit: Any) -> None:
        audit.merge()

    def _save_if(self, audit: Any) -> None:
        audit.save_if(state="PENDING")

    def start(self, ident: str) -> None:
        """Set a counter to 0."""
        self.audits.modify(self.context, ident, lambda audit: audit.parameters.update(n=0))

    def value(self, ident: str) -> int:
        """Return the counter."""
        return int(self.audits.get(self.context, ident).parameters["n"])

    def count(self, ident: str, number: int) -> dict[str, Any]:
        """Increment the counter, and return how often that was tried, and when."""
        tries = 0

        def increment(audit: Any) -> None:
            nonlocal tries
            tries += 1
            audit.parameters["n"] += 1

        begun = time.monotonic()
        for _ in range(number):
            self.audits.modify(self.context, ident, increment)
        return {"tries": tries, "begun": begun, "ended": time.monotonic()}


if __name__ == "__main__":
    worker.serve(Ours, Merging)
