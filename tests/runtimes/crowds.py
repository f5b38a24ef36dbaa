# SPDX-License-Identifier: Apache-2.0
"""Runtimes: how each runs functions at the same time, sleeps, and limits the time of one.

Nothing here imports what a runtime patches before it has.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

#: How many functions run at the same time.
SIZE = 8


class SoftLimit(Exception):
    """A limit that ``except Exception`` catches, as that of a task queue."""


class HardLimit(BaseException):
    """A limit that it does not catch, as those of eventlet and gevent."""


class Threads:
    """Threads, of which the main one can be interrupted by a signal."""

    size = SIZE
    sleep = staticmethod(time.sleep)

    def begin(self, url: str) -> None:
        """Begin with another database, which the parent has used."""

    def map(self, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
        """Run a function for each argument, all at the same time."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(arguments)) as pool:
            return list(pool.map(lambda argument: function(self, argument), arguments))

    def alone(self, function: Callable[..., Any], argument: Any) -> Any:
        """Run a function where the time of it can be limited."""
        return function(self, argument)

    def is_struck(self, function: Callable[[], Any], seconds: float, error: Any) -> bool:
        """Return whether a limit ended a function."""

        def strike(*ignored: Any) -> None:
            raise error

        signal.signal(signal.SIGALRM, strike)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            try:
                function()
            finally:
                # It may strike here, too.
                signal.setitimer(signal.ITIMER_REAL, 0)
        except error:
            return True
        return False


class Eventlet(Threads):
    """Green threads of eventlet."""

    def __init__(self) -> None:
        import eventlet

        eventlet.monkey_patch()
        self.runtime, self.sleep = eventlet, eventlet.sleep

    def map(self, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
        pool = self.runtime.GreenPool(len(arguments))
        return list(pool.imap(lambda argument: function(self, argument), arguments))

    def is_struck(self, function: Callable[[], Any], seconds: float, error: Any) -> bool:
        try:
            with self.runtime.Timeout(seconds, error):
                function()
        except error:
            return True
        return False


class EventletOnAsyncio(Eventlet):
    """Green threads of eventlet that a loop of asyncio resumes."""

    def __init__(self) -> None:
        from eventlet import hubs

        hubs.use_hub("asyncio")
        super().__init__()


class Gevent(Eventlet):
    """Green threads of gevent."""

    def __init__(self) -> None:
        from gevent import monkey

        monkey.patch_all()
        import gevent.pool

        self.runtime, self.sleep = gevent, gevent.sleep

    def map(self, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
        pool = self.runtime.pool.Pool(len(arguments))
        return pool.map(lambda argument: function(self, argument), arguments)


class Asyncio(Threads):
    """Tasks that make their calls in ``asyncio.to_thread``."""

    def __init__(self) -> None:
        import asyncio

        self.runtime, self.loop = asyncio, asyncio.Runner()

    def map(self, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
        async def run() -> list[Any]:
            calls = (self.runtime.to_thread(function, self, argument) for argument in arguments)
            return await self.runtime.gather(*calls)

        return self.loop.run(run())

    def is_struck(self, function: Callable[[], Any], seconds: float, error: Any) -> bool:
        async def run() -> None:
            async with self.runtime.timeout(seconds):
                # The task ends; its thread goes on.
                await self.runtime.to_thread(function)

        try:
            self.loop.run(run())
        except TimeoutError:
            return True
        return False


class Spawned(Threads):
    """Processes of one thread each, which know nothing of their parent."""

    size = 4
    method = "spawn"
    _pool: Any = None

    def begin(self, url: str) -> None:
        self.url = url
        self._pool = self._pool or self._processes()

    def _processes(self) -> Any:
        import multiprocessing

        return multiprocessing.get_context(self.method).Pool(self.size)

    def map(self, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
        calls = [(self.url, function, argument) for argument in arguments]
        return self._pool.starmap(in_child, calls, chunksize=1)

    def alone(self, function: Callable[..., Any], argument: Any) -> Any:
        return self.map(function, [argument])[0]


class Forked(Spawned):
    """Processes that are forked where the parent has used the library."""

    method = "fork"

    def begin(self, url: str) -> None:
        if self._pool is not None:
            self._pool.terminate()
        self.url, self._pool = url, self._processes()


def in_child(url: str, function: Callable[..., Any], argument: Any) -> Any:
    """Run a function in a child process, which may have the database from its parent."""
    import sqlalchemy as sa

    from watcher_objects import db, exception

    wanted, found = sa.make_url(url), None
    with contextlib.suppress(exception.DatabaseNotConfigured):
        found = db.get_engine().url
    if found is None or (found.drivername, found.database) != (wanted.drivername, wanted.database):
        db.configure(url)
    return function(Threads(), argument)


CROWDS = {
    "threads": Threads,
    "eventlet": Eventlet,
    "eventlet-on-asyncio": EventletOnAsyncio,
    "gevent": Gevent,
    "asyncio": Asyncio,
    "fork": Forked,
    "spawn": Spawned,
}
