# SPDX-License-Identifier: Apache-2.0
"""The right to move a schema: of one at a time, and only where it is ours."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from watcher_objects import exception
from watcher_objects.db import chain, engine, errors, transactions

# How to become the one who moves this schema: 1 tells that it is granted.
_TRY_LOCK = {
    "postgresql": "SELECT pg_try_advisory_lock(7747611)::integer",
    "mysql": "SELECT GET_LOCK(CONCAT('watcher_objects ', DATABASE()), 0)",
}


def refuse(trouble: str | None) -> None:
    """Raise InvalidRevision, if there is a reason to."""
    if trouble is not None:
        raise exception.InvalidRevision(reason=trouble)


@contextmanager
def moving(unfinished: bool = True) -> Iterator[sa.Connection]:
    """Lend a connection on which revisions may run, and nobody else's do meanwhile.

    :param unfinished: tables may be missing, as where a downgrade was interrupted
    """
    if transactions.in_transaction():
        raise exception.DatabaseError(reason="a schema is not moved inside a transaction")
    with transactions.connected() as connection, translated(), _alone(connection):
        refuse(chain.trouble(connection, unfinished))
        yield connection


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Let no other upgrade run meanwhile; on SQLite in one transaction."""
    if connection.dialect.name == "sqlite":
        with _one_transaction(connection):
            yield
        return
    try:
        deadline = time.monotonic() + engine.LOCK_TIMEOUT
        # Asked again and again: CREATE INDEX CONCURRENTLY would wait for one that waits.
        while connection.exec_driver_sql(_TRY_LOCK[connection.dialect.name]).scalar() != 1:
            if time.monotonic() > deadline:
                raise exception.DatabaseUnavailable(reason="another upgrade is going on")
            time.sleep(0.2)
        yield
    finally:
        # With the session go its lock, and its timeouts.
        connection.invalidate()


@contextmanager
def _one_transaction(connection: sa.Connection) -> Iterator[None]:
    run = connection.exec_driver_sql
    # A table that is rewritten is dropped for a moment, and others refer to it.
    run("PRAGMA foreign_keys = OFF")
    run("BEGIN IMMEDIATE")
    try:
        yield
        if broken := run("PRAGMA foreign_key_check").first():
            reason = f"row {broken[1]} of {broken[0]} refers to what is not in {broken[2]}"
            raise exception.DatabaseError(reason=reason)
        run("COMMIT")
    except BaseException:
        run("ROLLBACK")
        raise
    finally:
        run("PRAGMA foreign_keys = ON")


@contextmanager
def translated() -> Iterator[None]:
    """Raise an error of ours for what alembic or the database raises inside."""
    try:
        with errors.translated(engine.get_engine()):
            yield
    except (CommandError, RevisionError) as error:
        raise exception.InvalidRevision(reason=str(error)) from error
