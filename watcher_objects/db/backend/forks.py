# SPDX-License-Identifier: Apache-2.0
"""Forks: the database connections that a child process inherits, and discards.

SQLite keeps its locks in the memory of the process, which a fork copies, and in the kernel, which
gives a child none of them. A child that kept its parent's connections would wait for locks that
nobody holds, and take none where it needs them: its parent would delete the WAL under it. So the
child closes them, while the gate keeps the parent out of SQLite. Nor may another thread be inside
SQLite at the fork: its mutexes would stay locked in the child.
"""

import contextlib
import ctypes
import functools
import os
import signal
import weakref
from collections.abc import Callable
from threading import get_ident
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from watcher_objects import exception
from watcher_objects.db.backend import budget

#: Seconds that a fork waits for the calls of other threads, and then for its child.
PATIENCE = 5.0
_PAUSE = 0.0005

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


class Fork(NamedTuple):
    """The state of the fork that a process is in."""

    #: Whether no other thread is inside SQLite.
    is_quiet: bool
    #: Where the child answers; None: the parent does not wait for it.
    pipe: tuple[int, int] | None = None
    began: float = 0.0

    @property
    def is_late(self) -> bool:
        """Whether the parent may have stopped waiting for this child."""
        return self.pipe is not None and budget.now() > self.began + 0.8 * PATIENCE


#: Discards a connection in a child; returns False where that could harm the parent.
Discard = Callable[[Any, Fork], bool]


class Gate:
    """Where calls into SQLite wait while another thread forks the process."""

    def __init__(self) -> None:
        #: The thread of each call that is under way.
        self.calls: dict[int, int] = {}
        #: The thread that forks, if one does; in a dictionary, as only one must get in.
        self.closed_by: dict[str, int] = {}
        self.fork: Fork | None = None

    def wait(self, call: int) -> None:
        """Wait while another thread forks; a thread that is inside SQLite already goes on."""
        this, is_waiting = get_ident(), True
        # Checked again once the call is announced: the next fork may have begun before.
        while is_waiting and not self._is_free_for(this):
            del self.calls[call]
            # Not for ever: the thread that forks may wait for what this one holds.
            is_waiting = this not in self._threads() and _until(
                lambda: self._is_free_for(this), 2 * PATIENCE
            )
            self.calls[call] = this

    def _is_free_for(self, this: int) -> bool:
        return self.closed_by.get("fork", this) == this

    def close(self, needs_answer: bool) -> None:
        """Keep other threads out of SQLite, and wait until none is inside."""
        this = get_ident()
        is_quiet = _until(lambda: self.closed_by.setdefault("fork", this) == this) and _until(
            lambda: self._threads() <= {this}
        )
        pipe = None
        with contextlib.suppress(OSError):
            pipe = os.pipe() if is_quiet and needs_answer else None
        self.fork = Fork(is_quiet, pipe, budget.now())

    def open_in_parent(self) -> None:
        """Continue once the child has discarded the connections."""
        fork, self.fork = self.fork, None
        try:
            if fork and fork.pipe:
                _wait_for_answer(*fork.pipe)
        finally:
            if self._is_free_for(get_ident()):
                self.closed_by.clear()

    def open_in_child(self, fork: Fork) -> None:
        """Reset the gate, and answer the parent."""
        self.fork = None
        self.calls.clear()
        self.closed_by.clear()
        if fork.pipe:
            os.write(fork.pipe[1], b".")
            for end in fork.pipe:
                os.close(end)

    def fork_of_child(self) -> Fork:
        """Return the fork that this child comes from, also where no hook ran before it."""
        fork = self.fork or Fork(is_quiet=self._threads() <= {get_ident()})
        return fork._replace(is_quiet=False) if fork.is_late else fork

    def _threads(self) -> set[int]:
        # A copy, which no other thread interrupts.
        return set(self.calls.copy().values())


gate = Gate()
_inherited: weakref.WeakKeyDictionary[Any, Discard] = weakref.WeakKeyDictionary()
_files: weakref.WeakSet[Any] = weakref.WeakSet()
_obstacle: str | None = None


def _until(is_done: Callable[[], bool], limit: float | None = None) -> bool:
    """Return whether something is done in time."""
    for _ in range(int((PATIENCE if limit is None else limit) / _PAUSE)):
        if is_done():
            return True
        # A pause that eventlet and gevent leave alone: no other green thread runs in it.
        signal.sigtimedwait((), _PAUSE)
    return is_done()


def _wait_for_answer(reader: int, writer: int) -> None:
    os.close(writer)
    os.set_blocking(reader, False)

    def is_answered() -> bool:
        try:
            os.read(reader, 1)
        except BlockingIOError:
            return False
        return True

    _until(is_answered)
    os.close(reader)


def guarded(
    method: Callable[Concatenate[S, P], R], waits: bool = True
) -> Callable[Concatenate[S, P], R]:
    """Make a method of SQLite's driver wait while another thread forks, and a fork wait for it.

    :param waits: False for what may run at any moment, also while a fork needs a lock
    """

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key, calls = id(self), gate.calls
        try:
            calls[key] = get_ident()
            if gate.closed_by and waits:
                gate.wait(key)
            return method(self, *args, **kwargs)
        finally:
            calls.pop(key, None)

    return call


def register(connection: Any, discard: Discard, is_file: bool = False) -> None:
    """Have a connection discarded in child processes.

    :param is_file: SQLite keeps locks for it, so the parent waits until the child has closed it
    """
    _inherited[connection] = discard
    if is_file:
        _files.add(connection)


def forget(connection: Any) -> None:
    """Undo :func:`register` for a closed connection."""
    _inherited.pop(connection, None)
    _files.discard(connection)


def check() -> None:
    """Raise DatabaseError in a child with inherited SQLite state that it can't discard."""
    if _obstacle is not None:
        raise exception.DatabaseError(reason=_obstacle)


def _after_in_child() -> None:
    fork = gate.fork_of_child()
    try:
        _discard_all(fork)
    finally:
        _inherited.clear()
        _files.clear()
        gate.open_in_child(fork)


def _discard_all(fork: Fork) -> None:
    global _obstacle  # noqa: PLW0603 - the process has one memory of SQLite's
    for connection, discard in list(_inherited.items()):
        is_discarded = False
        with contextlib.suppress(Exception):
            is_discarded = discard(connection, fork)
        if not is_discarded:
            # Not even the end of this process may close it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            what = "a transaction was open" if fork.is_quiet else "a statement was running"
            _obstacle = (
                f"{what} on SQLite in the parent process at the fork, so this process can't use "
                "SQLite; fork before, or start the process with the spawn method"
            )


os.register_at_fork(
    before=lambda: gate.close(needs_answer=bool(_files)),
    after_in_parent=gate.open_in_parent,
    after_in_child=_after_in_child,
)
