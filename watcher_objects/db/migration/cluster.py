# SPDX-License-Identifier: Apache-2.0
"""The migration lock of a Galera cluster: a row, which all nodes have, and no lock of one node.

The owner renews it between its statements. An owner is dead that has not done so for
:data:`LEASE` seconds, or whose session is gone from the node that asks.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable, DropTable

from watcher_objects import exception
from watcher_objects.db.backend import database, dialects, errors

LOG = logging.getLogger(__name__)

#: The table of the lock. It exists while a schema is migrated, or if that was killed.
TABLE = "watcher_objects_migration"
#: Seconds after which an owner that has not renewed the lock is dead.
LEASE = 120
#: Seconds after which an owner renews the lock, before its next statement.
RENEW = 10

_lock = sa.Table(
    TABLE,
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String(36), nullable=False),
    sa.Column("node", sa.String(64), nullable=False),
    sa.Column("session", sa.BigInteger, nullable=False),
    sa.Column("account", sa.String(384), nullable=False),
    sa.Column("expires_at", mysql.DATETIME(fsp=6), nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)
_now = sa.func.utc_timestamp(6)
_status = sa.table(
    "global_status",
    sa.column("variable_name"),
    sa.column("variable_value", sa.String()),
    schema="information_schema",
)
_sessions = sa.table("processlist", sa.column("id"), schema="information_schema")


def is_node(connection: sa.Connection) -> bool:
    """Return whether a connection leads to a node of a Galera cluster."""
    return dialects.of(connection).is_cluster_node(connection)


@contextlib.contextmanager
def locked(connection: sa.Connection) -> Iterator[None]:
    """Hold the migration lock of the cluster; the session ends with it.

    :raises DatabaseUnavailable: another upgrade has it
    """
    try:
        lock = _Lock(connection)
        lock.acquire()
        sa.event.listen(connection, "before_cursor_execute", lock.renew_if_due)
        try:
            yield
        finally:
            sa.event.remove(connection, "before_cursor_execute", lock.renew_if_due)
            lock.release()
    finally:
        connection.invalidate()


class _Lock:
    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.owner = str(uuid.uuid4())
        self.renewed = 0.0
        # The owner that is seen to have expired, and since when.
        self.expired: tuple[Any, float] = (None, 0.0)
        self.refused: exception.DatabaseError | None = None

    def acquire(self) -> None:
        """Take the lock, or wait for another's to be released.

        :raises DatabaseUnavailable: it is not released in time
        """
        run = self.connection.exec_driver_sql
        # Whatever the server's default is: all nodes change their schema at one point.
        run("SET SESSION wsrep_OSU_method = 'TOI'")
        # What is read while an ALTER runs, in which its owner renews nothing, comes after it.
        run("SET SESSION wsrep_sync_wait = 7")
        own = self._own()
        deadline = time.monotonic() + database.LOCK_TIMEOUT
        while not self._attempt(own):
            if time.monotonic() > deadline:
                reason = f"another upgrade is going on, or was killed in the last {LEASE} seconds"
                raise self.refused or exception.DatabaseUnavailable(reason=reason)
            time.sleep(0.2)
        self.renewed = time.monotonic()
        run("SET SESSION wsrep_sync_wait = DEFAULT")

    def _attempt(self, own: dict[str, Any]) -> bool:
        self.refused = None
        try:
            with errors.translated(self.connection.engine):
                return self._take(own)
        except exception.DuplicateKey:
            return False
        except exception.DatabaseError as error:
            if getattr(error, "may_retry", False):
                self.refused = error
            elif self._exists():
                raise
            # Else the owner has just released the lock.
            return False

    def _exists(self) -> bool:
        return sa.inspect(self.connection).has_table(TABLE)

    def _take(self, own: dict[str, Any]) -> bool:
        execute = self.connection.execute
        if not self._exists():
            execute(CreateTable(_lock, if_not_exists=True))
        row = execute(self._look(own)).first()
        if row is None:
            return execute(sa.insert(_lock).values(id=1, **own)).rowcount == 1
        if not self._is_dead(row):
            return False
        same = (_lock.c.owner == row.owner, _lock.c.expires_at == row.expires_at)
        return execute(sa.update(_lock).where(*same).values(own)).rowcount == 1

    def _own(self) -> dict[str, Any]:
        """Return what the row of this owner says."""
        node = sa.select(sa.func.coalesce(sa.func.max(_status.c.variable_value), ""))
        node = node.where(_status.c.variable_name == "wsrep_gcomm_uuid")
        session, account = sa.func.connection_id(), sa.func.current_user()
        row = self.connection.execute(sa.select(node.scalar_subquery(), session, account)).one()
        named = dict(zip(("node", "session", "account"), row, strict=True))
        return {"owner": self.owner, **named, "expires_at": self._expiry()}

    def _look(self, own: dict[str, Any]) -> sa.Select[Any]:
        # An account sees its own sessions, and only on the node that they are on.
        is_near = sa.and_(_lock.c.node == own["node"], _lock.c.account == own["account"])
        is_gone = sa.and_(is_near, _lock.c.session.not_in(sa.select(_sessions.c.id)))
        has_expired = _lock.c.expires_at < _now
        return sa.select(_lock, has_expired.label("has_expired"), is_gone.label("is_gone"))

    def _is_dead(self, row: Any) -> bool:
        """Return whether an owner is dead, and is not about to renew the lock after an ALTER."""
        if row.is_gone:
            return True
        key = (row.owner, row.expires_at) if row.has_expired else None
        if key is None or key != self.expired[0]:
            self.expired = (key, time.monotonic())
            return False
        return time.monotonic() - self.expired[1] > 2 * RENEW

    @staticmethod
    def _expiry() -> sa.ColumnElement[Any]:
        return sa.func.timestampadd(sa.text("SECOND"), LEASE, _now)

    def renew_if_due(self, *ignored: Any) -> None:
        """Renew the lock before a statement, if that was not done shortly before."""
        if time.monotonic() - self.renewed > RENEW:
            self._renew()

    def _renew(self) -> None:
        self.renewed = time.monotonic()
        own = sa.update(_lock).where(_lock.c.owner == self.owner)
        if self.connection.execute(own.values(expires_at=self._expiry())).rowcount != 1:
            lost = "the migration lock was lost to another upgrade"
            raise exception.DatabaseUnavailable(reason=lost)

    def release(self) -> None:
        """Drop the lock; if that fails, it expires."""
        try:
            self._renew()
            self.connection.execute(DropTable(_lock))
        except Exception as error:
            message = "the migration lock can't be released, and expires in %d seconds: %s"
            LOG.warning(message, LEASE, type(error).__name__)
