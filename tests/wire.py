# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire, as each database or its client library counts it."""

import contextlib
import os
import tempfile
from typing import NamedTuple

from watcher_objects import db
from watcher_objects.db.backend import database as backend


class Traffic(NamedTuple):
    """What was sent on one connection: statements that read or write, all statements, COMMITs.

    A statement is a round trip, but on MariaDB, which reports how many there were. One that
    commits by itself is not counted as a COMMIT.
    """

    statements: int
    trips: int
    commits: int


@contextlib.contextmanager
def counted(dialect):
    """Yield a list that has the :class:`Traffic` of what happens inside, afterwards.

    It counts on the only connection that there is, afterwards.
    """
    db.get_engine().dispose()
    while backend.current()._idle:
        backend.current().acquire().invalidate()
    lent = backend.current().acquire()
    found = []
    trips: list[int] = []
    with _COUNTERS[dialect](lent.dbapi_connection, lent, trips) as sent:
        yield found
    words = [text.split()[0].upper() for text in sent]
    work = sum(word in ("SELECT", "INSERT", "INSERT_SELECT", "UPDATE", "DELETE") for word in words)
    found.append(Traffic(work, sum(trips) or len(words), words.count("COMMIT")))


@contextlib.contextmanager
def _on_sqlite(connection, lent, trips):
    sent: list[str] = []
    connection.set_trace_callback(sent.append)
    backend.current().release(lent)
    yield sent
    connection.set_trace_callback(None)


@contextlib.contextmanager
def _on_postgresql(connection, lent, trips):
    # libpq writes down the protocol's messages; the server reports what it has completed.
    sent = []
    with tempfile.TemporaryFile() as trace:
        copy = os.dup(trace.fileno())
        connection.pgconn.trace(copy)
        backend.current().release(lent)
        yield sent
        connection.pgconn.untrace()
        os.close(copy)
        trace.seek(0)
        for line in trace.read().decode().splitlines():
            if "CommandComplete" in line:
                sent.append(line.split('"')[1])


@contextlib.contextmanager
def _on_mariadb(connection, lent, trips):
    def counters():
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW SESSION STATUS WHERE variable_name IN {_COUNTED}")
            return dict(cursor.fetchall())

    sent = []
    before = counters()
    backend.current().release(lent)
    yield sent
    after = counters()
    # The question for these is the last of them.
    trips.append(int(after.pop("Questions")) - int(before["Questions"]) - 1)
    for name in after:
        sent += [name.removeprefix("Com_")] * (int(after[name]) - int(before[name]))


_WORK = ("select", "insert", "insert_select", "update", "delete")
_COUNTED = tuple(f"Com_{word}" for word in (*_WORK, "begin", "commit", "rollback", "savepoint"))
_COUNTED += ("Questions",)
_COUNTERS = {"sqlite": _on_sqlite, "postgresql": _on_postgresql, "mysql": _on_mariadb}
