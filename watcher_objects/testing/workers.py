# SPDX-License-Identifier: Apache-2.0
"""Processes of workers that a test kills and freezes, and leases that it expires."""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Self

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.claims import Worker
from watcher_objects.db import models, transactions
from watcher_objects.db.sql import times

#: Seconds for which a process may run before a test gives up.
PATIENCE = 60.0
# The child has what the test has, also functions inside it.
_processes = multiprocessing.get_context("fork")


class Process:
    """A process that runs a function of a test."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._result, result = _processes.Pipe(duplex=False)
        self._process = _processes.Process(
            target=_run, args=(result, function, args), daemon=True, name=function.__name__
        )
        with warnings.catch_warnings():
            # Threads of this process, such as those of a worker, do not run in the child.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        result.close()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid or 0

    def kill(self) -> None:
        """End the process with SIGKILL, wherever it is."""
        self._process.kill()
        self._process.join()

    def freeze(self) -> None:
        """Stop the process with SIGSTOP until :meth:`thaw` is called."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Continue a process that was frozen."""
        os.kill(self.pid, signal.SIGCONT)

    def join(self, seconds: float = PATIENCE) -> None:
        """Wait until the function has returned.

        :raises AssertionError: it has raised an error, or takes longer
        """
        self._process.join(seconds)
        if self._process.is_alive():
            raise AssertionError(f"{self._process.name} still runs after {seconds} seconds")
        if self._process.exitcode:
            raise AssertionError(f"{self._process.name} failed: {self._error()}")

    def _error(self) -> Any:
        """Return the error that the function has raised, or the exit code of a process without."""
        try:
            return self._result.recv()
        except EOFError:
            return self._process.exitcode


def _run(result: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        function(*args)
    except BaseException as error:
        result.send(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None


class Workers:
    """A context manager that starts processes of workers, and ends them with the test.

    A process uses the database that the library is configured with where it is started.
    """

    def __init__(self) -> None:
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()

    def start(self, function: Callable[..., Any], *args: Any) -> Process:
        """Run a function in a process of its own.

        :param function: any function, such as an engine's loop; it enters its own worker
        :param args: its arguments, such as an event of ``multiprocessing``
        """
        process = Process(function, args)
        self._processes.append(process)
        return process

    def expire(self, worker: Worker) -> None:
        """Make other workers take a worker for dead, until its next heartbeat.

        :param worker: any object of the worker, as in ``Worker.list(context)``
        :raises WorkerNotFound: the worker has been removed
        """
        expired = sa.update(models.workers).where(models.workers.c.uuid == worker.uuid)
        if not transactions.execute(expired.values(alive_until=times.later(-1))).matched:
            raise exception.WorkerNotFound(worker=worker.uuid)


@contextmanager
def expect_fenced() -> Iterator[None]:
    """Expect that a write is rejected with LeaseLost, and that nothing was written.

    Other processes must not write audits, action plans or actions at the same time.

    :raises AssertionError: it was not rejected, or something was written
    """
    before = _rows()
    try:
        yield
    except exception.LeaseLost as lost:
        if _rows() != before:
            raise AssertionError("A write was rejected, but rows have changed") from lost
    else:
        raise AssertionError("A write through a lease was not rejected")


def _rows() -> dict[str, Any]:
    """Return all rows that can be claimed, and the history of them."""
    tables = [models.audits, models.action_plans, models.actions, models.transitions]
    return {
        table.name: transactions.execute(sa.select(table).order_by(table.c.id)).rows
        for table in tables
    }
