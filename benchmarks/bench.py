# SPDX-License-Identifier: Apache-2.0
"""What measurements are made on: interpreters, databases and processes."""

import contextlib
import os
from pathlib import Path

from benchmarks import databases, environments, processes, sql
from benchmarks.environments import OURS, WATCHER, Implementation

#: Our own room for databases, in our environment.
MAKER = "benchmarks.databases"


class Bench:
    """Makes databases by our environment, and starts processes in everybody's."""

    def __init__(self, folder: Path) -> None:
        self.environments = environments.Environments(folder)

    def kind(self, base: str) -> str:
        """Return which database a URL means: sqlite, postgresql or mysql."""
        return sql.kind(base)

    def is_reachable(self, base: str) -> bool:
        """Return whether a server responds, and say so if there is none."""
        try:
            self._make("reach", base)
        except processes.Failed as error:
            print(f"{self.kind(base)} is left out: {error}", flush=True)
            return False
        return True

    def database(
        self,
        stack: contextlib.ExitStack,
        base: str,
        of: Implementation,
        rows: int,
        shape: str = "usual",
    ) -> str:
        """Return the URL of a new database with rows, which goes when the stack is left."""
        url = databases.place(base, f"{os.getpid()}_{of.name}_{rows}")
        stack.callback(self._make, "drop", url)
        # What is not Watcher's own journal is asked for by the others when they connect.
        flags = ["--plain"] * (of is WATCHER)
        self._make("make", url, "--rows", rows, "--shape", shape, *flags)
        return url

    def _make(self, *words: object) -> None:
        processes.run(self.environments.python(OURS), MAKER, *words)

    def process(
        self, of: Implementation, url: str, module: str | None = None
    ) -> processes.Process:
        """Return a process of an implementation that works on a database."""
        return processes.Process(self.environments.python(of), module or of.module, url)
