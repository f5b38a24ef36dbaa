# SPDX-License-Identifier: Apache-2.0
"""The migration lock: one upgrade at a time, and only of a schema that is ours."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from oslo_db import exception as oslo_exc
from sqlalchemy import event, exc

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import budget, database, dialects, errors, sessions
from watcher_objects.db.migration import cluster, revisions


def refuse(trouble: str | None) -> None:
    """Raise InvalidRevision, if there is a reason to."""
    if trouble is not None:
        raise exception.InvalidRevision(reason=trouble)


@contextmanager
def migration_lock(unfinished: bool = True) -> Iterator[sa.Connection]:
    """Yield a connection that holds the migration lock.

    :param unfinished: tables may be missing, as where a downgrade was interrupted
    """
    if transactions.in_transaction():
        raise exception.DatabaseError(reason="a schema is not moved inside a transaction")
    with transactions.connected() as connection, translated(), _alone(connection):
        refuse(revisions.incompatibility(connection, unfinished))
        yield connection


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Exclude other upgrades: by one transaction, or else by a lock."""
    if (transaction := dialects.of(connection).migration_transaction(connection)) is not None:
        with transaction:
            yield
        return
    if cluster.is_node(connection):
        with cluster.locked(connection):
            yield
        return
    is_pooled = sessions.is_pooled(connection.connection)
    try:
        with _locked_by_transaction(connection) if is_pooled else _locked(connection):
            yield
    finally:
        # With the session go its lock, and its timeouts.
        connection.invalidate()


@contextmanager
def _locked(connection: sa.Connection) -> Iterator[None]:
    """Take the lock for a session, which keeps it."""
    query = dialects.of(connection).try_migration_lock
    _wait_for(lambda: connection.exec_driver_sql(query).scalar() == 1)
    yield


@contextmanager
def _locked_by_transaction(connection: sa.Connection) -> Iterator[None]:
    """Take the lock in a transaction of another connection, and check it at each statement."""
    backend = dialects.of(connection)
    with database.connect() as holder:

        def try_it() -> bool:
            for statement in backend.begin_locking:
                holder.exec_driver_sql(statement)
            if holder.exec_driver_sql(backend.try_migration_lock_in_transaction).scalar() == 1:
                return True
            holder.exec_driver_sql("ROLLBACK")
            return False

        _wait_for(try_it)
        try:
            _check_room(connection)
            with _checked(connection, holder):
                yield
        finally:
            with suppress(exc.SQLAlchemyError, oslo_exc.DBError):
                holder.exec_driver_sql("ROLLBACK")


def _wait_for(try_it: Callable[[], bool]) -> None:
    deadline = budget.now() + database.LOCK_TIMEOUT
    # Asked again and again: CREATE INDEX CONCURRENTLY would wait for one that waits.
    while not try_it():
        if budget.now() > deadline:
            raise exception.DatabaseUnavailable(reason="another upgrade is going on")
        time.sleep(0.2)


def _check_room(connection: sa.Connection) -> None:
    """Check that the pooler has a second session while the first one holds the lock."""
    try:
        with budget.deadline(database.timeout()), errors.translated(connection.engine):
            connection.exec_driver_sql("SELECT 1")
    except exception.DatabaseUnavailable as error:
        reason = "an upgrade needs two server connections of the connection pooler at a time;"
        advice = "raise its pool size, or connect to the server directly"
        raise exception.DatabaseUnavailable(reason=f"{reason} {advice}") from error


@contextmanager
def _checked(connection: sa.Connection, holder: sa.Connection) -> Iterator[None]:
    """Raise an error before a statement if the lock is lost; that also keeps it from idling."""

    def check(*ignored: Any) -> None:
        try:
            with errors.translated(holder.engine):
                holder.exec_driver_sql("SELECT 1")
        except exception.DatabaseError as error:
            reason = "the transaction that holds the lock of upgrades was ended; run it again"
            raise exception.DatabaseUnavailable(reason=reason) from error

    event.listen(connection, "before_cursor_execute", check)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", check)


@contextmanager
def translated() -> Iterator[None]:
    """Translate the errors of alembic and the database in the block."""
    try:
        with errors.translated(database.get_engine()):
            yield
    except (CommandError, RevisionError) as error:
        raise exception.InvalidRevision(reason=str(error)) from error
