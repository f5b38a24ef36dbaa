# SPDX-License-Identifier: Apache-2.0
"""How a revision talks to a database that others are using: with short waits, and in batches."""

import logging
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa
import tenacity
from alembic import context, op
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

LOG = logging.getLogger("watcher_objects.migrations")

#: Seconds for which a step waits for a lock, while others may have to wait for the step.
LOCK_TIMEOUT = 1
#: Seconds for which a step waits for transactions of others to end, where nobody waits for it.
SNAPSHOT_TIMEOUT = 60
#: Seconds after which a step that never gets its lock is given up.
PATIENCE = 3600
#: Times to begin again where others store rows of the kind that a step has just corrected.
TRIES = 10
#: Rows that are written at once.
BATCH = 1000

# Limits of the account must not cancel a step, nor end a session that pauses before it retries.
# MariaDB accepts what old rows hold: zero dates, and references to rows that are gone.
_SETTINGS = {
    "postgresql": (
        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout',"
        " 'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout')",
        "SET lock_timeout = '{0}s'",
    ),
    "mysql": (
        "SET SESSION max_statement_time = 0, wait_timeout = 28800, foreign_key_checks = 0,"
        " lock_wait_timeout = {0}, innodb_lock_wait_timeout = {0},"
        # Each step says how it changes a table, or leaves it to the server.
        " alter_algorithm = 'DEFAULT',"
        " sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO'",
    ),
}
# What a script sets where it is run, which our connections set for themselves.
_SCRIPT = {
    "mysql": "SET SESSION sql_mode = TRADITIONAL, default_storage_engine = InnoDB",
}
_CONFLICTS = ("40P01", 1213)
_LOCKED = ("55P03", 1205, *_CONFLICTS)
# What MariaDB says of a table with triggers that another session was opening when it was ended.
_UNUSABLE_COPY = 1064
_UNUSABLE_COPY_WORDS = re.compile("trigger|disparador|触发", re.IGNORECASE)
#: What MariaDB says of a change that can't be made while others write.
NOT_IN_PLACE = (1845, 1846)
#: What is said of a unique key that can't be, for what is stored.
DUPLICATE = ("23505", 1062, "SQLITE_CONSTRAINT_UNIQUE")
#: ... and of a column that can't be NOT NULL.
HAS_NULL = ("23502", "23514", 1138, 1265)
#: How MariaDB changes a table while others write; and without reading its rows.
ONLINE = "ALGORITHM=INPLACE, LOCK=NONE"
INSTANT = "ALGORITHM=INSTANT"
# All writes of a cluster wait for a change of its schema in any case. A node that applies one
# while its own sessions write the table can wait for them forever, and they for it.
_ALONE = "LOCK=EXCLUSIVE"
_IS_CLUSTER = "SHOW VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'"


def begin(connection: sa.Connection) -> None:
    """Set up the session in which the revisions run."""
    for statement in _SETTINGS.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement.format(LOCK_TIMEOUT))
    is_mariadb = connection.dialect.name == "mysql"
    connection.info["is_cluster"] = (
        is_mariadb and connection.exec_driver_sql(_IS_CLUSTER).first() is not None
    )


def begin_script(target: MigrationContext) -> None:
    """Write what sets up the session in which a script is run."""
    if statement := _SCRIPT.get(target.dialect.name):
        target.impl.static_output(f"{statement};\n")


def dialect() -> str:
    """Return the name of the database's dialect."""
    return op.get_context().dialect.name


def is_offline() -> bool:
    """Return whether SQL is only written to a script: then nothing can be read."""
    return bool(context.is_offline_mode())


def leave_out(what: str) -> bool:
    """Return whether SQL is only written to a script, and note there what a step leaves out."""
    if is_offline():
        op.get_context().impl.static_output(f"-- Left out, since rows must be read: {what}\n")
    return is_offline()


def columns(table: str) -> Mapping[str, Any]:
    """Return the columns of a table as they are now, by name; none where nothing can be seen."""
    if is_offline():
        return {}
    return {column["name"]: column for column in sa.inspect(op.get_bind()).get_columns(table)}


def has_code(error: BaseException, codes: Collection[Any]) -> bool:
    """Return whether an error, or its cause, has one of these codes."""
    inner: Any = error
    while inner is not None:
        named = (getattr(inner, "sqlstate", None), getattr(inner, "sqlite_errorname", None))
        if any(code in codes for code in (*named, *inner.args[:1])):
            return True
        inner = getattr(inner, "inner_exception", None) or getattr(inner, "orig", None)
    return False


def _may_pass(error: BaseException) -> bool:
    """Return whether a statement may succeed if it is run again."""
    is_unusable = has_code(error, (_UNUSABLE_COPY,)) and _UNUSABLE_COPY_WORDS.search(str(error))
    return has_code(error, _LOCKED) or bool(is_unusable)


def _say(state: tenacity.RetryCallState) -> None:
    LOG.warning("%s is in use; trying again (%d)", state.args[0], state.attempt_number)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_may_pass),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=5, min=0.2),
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


def index_concurrently(what: str, name: str, table: str, listed: str) -> None:
    """Create an index of PostgreSQL: it waits for transactions of others, and nobody for it."""

    def run() -> None:
        _set_lock_timeout(SNAPSHOT_TIMEOUT)
        try:
            # What an interrupted run, or one that waited too long, has left is invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE {what} CONCURRENTLY {name} ON {table} ({listed})")
        finally:
            _set_lock_timeout(LOCK_TIMEOUT)

    insist(table, run)


def _set_lock_timeout(seconds: int) -> None:
    if not is_offline():
        op.execute(f"SET lock_timeout = '{seconds}s'")


def alter(table: str, *changes: str, how: str = "") -> None:
    """Change a table with one statement, which may have to wait for a lock."""
    if not is_offline() and op.get_bind().info.get("is_cluster"):
        how = ", ".join(filter(None, (how.removesuffix(", LOCK=NONE"), _ALONE)))
    patiently(table, f"ALTER TABLE {table} {', '.join(changes)}{how and ', ' + how}")


def alter_instantly(table: str, *changes: str) -> None:
    """Change a table on MariaDB without reading its rows, where its row format allows that."""
    try:
        alter(table, *changes, how=INSTANT)
    except Exception as error:
        if not has_code(error, NOT_IN_PLACE):
            raise
        alter(table, *changes, how=ONLINE)


def quoted(name: str) -> str:
    """Return a name as the database takes it."""
    return op.get_context().dialect.identifier_preparer.quote(name)


def ddl(kind: Any) -> str:
    """Return a type as the database takes it."""
    return str(kind.compile(dialect=op.get_context().dialect))


def still_wrong(table: str) -> CommandError:
    """Return the error for rows that no step can correct."""
    return CommandError(
        f"rows of {table} were corrected {TRIES} times and are still wrong: stop the program that"
        f" stores such rows, or look for row-level security or a trigger on {table}"
    )


def in_batches(table: str, update: Any, stale: Any) -> None:
    """Run an UPDATE on the rows that meet a condition, some of them at a time.

    :param stale: the condition, which the UPDATE makes false
    :raises CommandError: there are still such rows
    """
    left = sa.select(sa.literal(1)).select_from(update.table).where(stale).limit(1)
    for _ in range(TRIES):
        _update_in_batches(table, update.where(stale))
        if is_offline() or not op.get_bind().execute(left).first():
            return
    raise still_wrong(table)


def _update_in_batches(table: str, update: Any) -> None:
    ident: Any = sa.table(table, sa.column("id")).c.id
    written: Any = sa.column("id")
    newest = None if is_offline() else op.get_bind().scalar(sa.select(sa.func.max(ident)))
    if not isinstance(newest, int):
        # The scheduler's jobs have names for ids, and are few.
        patiently(table, update)
        return
    last, size = 0, BATCH
    while last < newest:
        # The ids of a cluster, or of a table that was purged, are far apart.
        batch = sa.select(ident).where(ident > last).order_by(ident).limit(size).subquery()
        end = op.get_bind().scalar(sa.select(sa.func.max(batch.c.id))) or newest
        rows = update.where(written.between(last + 1, end))
        try:
            op.execute(rows)
        except Exception as error:
            if size > 1 and has_code(error, _CONFLICTS):
                # On a busy cluster, writers through other nodes would win against it each time.
                size = max(size // 4, 1)
                continue
            patiently(table, rows)
        last = end
        op.get_context().opts["progress"](table, min(last, newest), newest)
