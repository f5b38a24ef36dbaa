# SPDX-License-Identifier: Apache-2.0
"""The progress of long steps: a bar on a terminal, otherwise a line every few seconds."""

import time
from typing import Any, TextIO

from tqdm import tqdm

#: The duration in seconds after which a bar is shown.
LONG = 1
#: Seconds between two lines.
PAUSE = 10


class Progress:
    """A context manager that shows the progress of an upgrade or a purge."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.bar: Any = None
        self.printed = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *ignored: object) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None

    def __call__(self, table: str, done: int, last: int) -> None:
        """Show the number of rows of a table that are done."""
        if self.stream.isatty():
            self._draw(table, done, last)
        elif time.monotonic() - self.printed >= PAUSE:
            self.printed = time.monotonic()
            self.stream.write(f"{table}: {done} of {last} rows\n")

    def _draw(self, table: str, done: int, last: int) -> None:
        if self.bar is None:
            self.bar = tqdm(total=last, desc=table, unit="row", file=self.stream, delay=LONG)
        self.bar.update(done - self.bar.n)
        if done == last:
            self.__exit__()
