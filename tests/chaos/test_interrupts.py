# SPDX-License-Identifier: Apache-2.0
"""An exception at any line of a call: a signal handler's, a time limit, an interrupt."""

import contextlib
import sys
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import factory, servers
from tests.chaos.tiers import LONG
from watcher_objects import Audit, db, exception

#: Every which line is struck: an odd number, so that both errors are raised.
STRIDE = 1 if LONG else 61


class SoftLimit(Exception):
    """What a signal handler raises when the time is up."""


class Striker:
    """Raises an exception at one line of those that a call executes."""

    def __init__(self) -> None:
        self.error: type[BaseException] = SoftLimit
        self.at = self.count = 0

    def call(self, function, at: int) -> bool:
        """Call a function, and return whether it was struck."""
        self.error = KeyboardInterrupt if at % 2 else SoftLimit
        self.at, self.count = at, 0
        traced = sys.gettrace()
        sys.settrace(self._trace)
        try:
            function()
        except (self.error, exception.WatcherException) as error:
            # Services keep errors to report them later.
            self.kept = error
        finally:
            sys.settrace(traced)
        return self.count >= at

    def _trace(self, frame, event, argument):
        if event == "call" and not self._is_struck(frame):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.at:
                raise self.error("struck")
        return self._trace

    def _is_struck(self, frame) -> bool:
        """Exclude what protects nothing from an exception in itself.

        SQLAlchemy's pool loses count of its connections then, but mixes up none; and a ``with``
        statement has no way to end what an exception in :mod:`contextlib` keeps from ending.
        """
        files = []
        while frame is not None and frame.f_code.co_filename != __file__:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        is_pool = any("/sqlalchemy/pool/" in file for file in files)
        return bool(files) and not is_pool and files[0] != contextlib.__file__


@pytest.fixture
def audits(database, context):
    return [factory.stored(Audit, context) for _ in range(3)]


@pytest.fixture
def outside(url, database):
    """Another session, which waits for a lock for two seconds at most."""
    limit = {
        "sqlite": "PRAGMA busy_timeout = 2000",
        "postgresql": "SET lock_timeout = '2s'",
        "mysql": "SET innodb_lock_wait_timeout = 2",
    }
    with closing(servers.admin(url).connect()) as connection:
        connection.exec_driver_sql(limit[database])
        yield connection


def get(audit):
    return Audit.get(audit._context, audit.id)


def list_(audit):
    return Audit.list(audit._context, limit=2)


def save(audit):
    audit.status_message = f"{audit.status_message}."[-200:]
    audit.save()


def save_in_transaction(audit):
    with db.transaction():
        save(audit)


CALLS = (get, list_, save, save_in_transaction)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__.strip("_"))
def test_an_interrupted_call_spoils_no_other(database, audits, outside, call):
    struck, second, third = audits
    striker, at = Striker(), 1
    call(struck)
    while striker.call(lambda: call(struck), at):
        at += STRIDE
        assert get(third).name == third.name, at
        second.status_message = f"after {at}"
        second.save()
        assert get(second).name == second.name
        there = sa.text(f"SELECT status_message FROM audits WHERE id = {second.id}")
        assert outside.execute(there).scalar() == second.status_message, at
        outside.exec_driver_sql(f"UPDATE audits SET hostname = 'x{at}' WHERE id = {struck.id}")
    assert at > 3 * STRIDE
