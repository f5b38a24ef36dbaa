# SPDX-License-Identifier: Apache-2.0
"""How a revision talks to a database that others are using: with short waits, and in batches."""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa
import tenacity
from alembic import context, op

LOG = logging.getLogger("watcher_objects.migrations")

#: Seconds for which a step waits for a lock, and others may have to wait behind it.
LOCK_TIMEOUT = 1
#: Seconds after which a step that never gets its lock is given up.
PATIENCE = 600
#: Rows that are written at once.
BATCH = 1000

_TIMEOUTS = {
    "postgresql": ("SET lock_timeout = '{0}s'",),
    "mysql": (
        "SET SESSION lock_wait_timeout = {0}",
        "SET SESSION innodb_lock_wait_timeout = {0}",
    ),
}
_LOCKED = ("55P03", "40P01", 1205, 1213)
#: What MariaDB says of a change that can't be made while others write.
NOT_IN_PLACE = (1845, 1846)
#: What is said of a unique key that can't be, for what is stored.
DUPLICATE = ("23505", 1062, "SQLITE_CONSTRAINT_UNIQUE")
#: ... and of a column that can't be NOT NULL.
HAS_NULL = ("23502", "23514", 1138, 1265)
#: How MariaDB changes a table while others write.
ONLINE = "ALGORITHM=INPLACE, LOCK=NONE"


def begin(connection: sa.Connection) -> None:
    """Set the timeouts of the session in which the revisions run."""
    for statement in _TIMEOUTS.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement.format(LOCK_TIMEOUT))


def dialect() -> str:
    """Return the name of the database's dialect."""
    return op.get_context().dialect.name


def is_offline() -> bool:
    """Tell whether SQL is only written down: then nothing can be looked at."""
    return bool(context.is_offline_mode())


def leave_out(what: str) -> bool:
    """Tell whether SQL is only written down, with a comment on what of a step it can't do."""
    if is_offline():
        op.get_context().impl.static_output(f"-- Left out, since rows must be read: {what}\n")
    return is_offline()


def columns(table: str) -> Mapping[str, Any]:
    """Return the columns of a table as they are now, by name; none where nothing can be seen."""
    if is_offline():
        return {}
    return {column["name"]: column for column in sa.inspect(op.get_bind()).get_columns(table)}


def tells(error: BaseException, codes: Collection[Any]) -> bool:
    """Tell whether an error, or what is in it, has one of these codes."""
    inner: Any = error
    while inner is not None:
        named = (getattr(inner, "sqlstate", None), getattr(inner, "sqlite_errorname", None))
        if any(code in codes for code in (*named, *inner.args[:1])):
            return True
        inner = getattr(inner, "inner_exception", None) or getattr(inner, "orig", None)
    return False


def _say(state: tenacity.RetryCallState) -> None:
    LOG.warning("%s is in use; trying again (%d)", state.args[0], state.attempt_number)


@tenacity.retry(
    retry=tenacity.retry_if_exception(lambda error: tells(error, _LOCKED)),
    wait=tenacity.wait_random(0.2, 1),
    stop=tenacity.stop_after_delay(PATIENCE),
    before_sleep=_say,
    reraise=True,
)
def insist(table: str, action: Callable[[], None]) -> None:
    """Do what may be done again from its beginning when it had to wait for a lock too long."""
    action()


def patiently(table: str, *statements: Any) -> None:
    """Run statements that may have to wait for a lock; on PostgreSQL as one transaction."""
    together = len(statements) > 1 and dialect() == "postgresql"

    def run() -> None:
        try:
            for statement in ("BEGIN", *statements, "COMMIT") if together else statements:
                op.execute(statement)
        except Exception:
            if together:
                op.execute("ROLLBACK")
            raise

    insist(table, run)


def alter(table: str, *changes: str, how: str = "") -> None:
    """Change a table with one statement, which may have to wait for a lock."""
    patiently(table, f"ALTER TABLE {table} {', '.join(changes)}{how and ', ' + how}")


def quoted(name: str) -> str:
    """Return a name as the database takes it."""
    return op.get_context().dialect.identifier_preparer.quote(name)


def ddl(kind: Any) -> str:
    """Return a type as the database takes it."""
    return str(kind.compile(dialect=op.get_context().dialect))


def in_batches(table: str, write: Callable[[Any], Any]) -> None:
    """Run a statement on a table of many rows, some of them at a time.

    :param write: makes the statement for the rows of which a condition holds
    """
    ident: Any = sa.column("id")
    newest = sa.select(sa.func.max(ident)).select_from(sa.table(table))
    last = None if is_offline() else op.get_bind().scalar(newest) or 0
    if not isinstance(last, int):
        # The scheduler's jobs have names for ids, and are few.
        patiently(table, write(sa.true()))
        return
    for first in range(0, last, BATCH):
        patiently(table, write(ident.between(first + 1, first + BATCH)))
        op.get_context().opts["progress"](table, min(first + BATCH, last), last)
