# SPDX-License-Identifier: Apache-2.0
"""How far a long step has come: a bar on a terminal, else a line now and then."""

import time
from typing import Any, TextIO

from tqdm import tqdm

#: Seconds after which a step is a long one.
LONG = 1
#: Seconds between two lines, where there is no terminal.
PAUSE = 10


class Progress:
    """What :func:`watcher_objects.db.migration.upgrade` tells, shown while a ``with`` lasts."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.bar: Any = None
        self.told = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *ignored: object) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None

    def __call__(self, table: str, done: int, last: int) -> None:
        """Show up to which of its rows a table is done."""
        if self.stream.isatty():
            self._draw(table, done, last)
        elif time.monotonic() - self.told >= PAUSE:
            self.told = time.monotonic()
            self.stream.write(f"{table}: {done} of {last} rows\n")

    def _draw(self, table: str, done: int, last: int) -> None:
        if self.bar is None:
            self.bar = tqdm(total=last, desc=table, unit="row", file=self.stream, delay=LONG)
        self.bar.update(done - self.bar.n)
        if done == last:
            self.__exit__()
