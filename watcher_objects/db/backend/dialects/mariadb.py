# SPDX-License-Identifier: Apache-2.0
"""MariaDB, through either of two drivers."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import sqlalchemy as sa

from watcher_objects.db.backend.dialects.base import Backend, Connector
from watcher_objects.db.backend.dialects.catalog import Catalog, Use
from watcher_objects.db.backend.dialects.error_codes import OLD_SCHEMA, QUOTE, ErrorCodes

# The session variables that change what statements do, return or store; an account, init_connect,
# init_command or a global may have set others. The first SET replaces the sql_mode, so it must
# parse in any.
_VARIABLES = {
    "sql_mode": "TRADITIONAL",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "check_constraint_checks": "1",
    "completion_type": "NO_CHAIN",
    "default_storage_engine": "InnoDB",
    "innodb_strict_mode": "1",
    "insert_id": "0",
    "lc_messages": "en_US",
    "max_statement_time": "0",
    "sql_auto_is_null": "0",
    "sql_big_selects": "1",
    "sql_if_exists": "0",
    "sql_quote_show_create": "1",
    "sql_safe_updates": "0",
    "sql_select_limit": "18446744073709551615",
    "time_zone": "_utf8mb4'+00:00'",
    # A sort compares that many bytes, three for a character, and needs room for 15 keys of them.
    "max_sort_length": "65535",
    "sort_buffer_size": "GREATEST(@@sort_buffer_size, 2097152)",
    "innodb_lock_wait_timeout": "{0}",
    "lock_wait_timeout": "{0}",
}
_ASSIGNMENTS = ", ".join(f"{name} = {value}" for name, value in _VARIABLES.items())

# What each says is text in which the names of columns stand, between backquotes.
_USES = """
SELECT concat('generated column ', column_name, ' of ', table_name), table_name,
    generation_expression
FROM information_schema.columns
WHERE table_schema = database() AND generation_expression <> ''
UNION ALL SELECT concat('check constraint ', constraint_name, ' of ', table_name), table_name,
    check_clause
FROM information_schema.check_constraints WHERE constraint_schema = database()
UNION ALL SELECT concat('foreign key ', constraint_name, ' of ', table_name),
    referenced_table_name, concat('`', referenced_column_name, '`')
FROM information_schema.key_column_usage WHERE referenced_table_schema = database()
UNION ALL SELECT concat('foreign key ', constraint_name, ' of ', table_name), table_name,
    concat('`', column_name, '`')
FROM information_schema.key_column_usage
WHERE table_schema = database() AND referenced_table_name IS NOT NULL
UNION ALL SELECT concat(lower(index_type), ' index ', index_name, ' of ', table_name), table_name,
    concat('`', column_name, '`')
FROM information_schema.statistics
WHERE table_schema = database() AND index_type IN ('FULLTEXT', 'SPATIAL')
"""


# Of a table with triggers a server may keep, for seconds, a copy that can't be used: the session
# that was opening it was ended by KILL, a time limit or a change of the schema (1064); or a
# node of a cluster knows the triggers of an upgrade, and not their columns (1054).
_UNUSABLE_COPY = {
    1054: re.compile(r"\w__new"),
    1064: re.compile(r"trigger|disparador|触发", re.IGNORECASE),
}


class MariaDBErrors(ErrorCodes):
    """MariaDB's errors have numbers."""

    read_only = frozenset({1290, 1792, 1836})
    # A lock that is taken, or a server, or a node of a cluster, that takes no work; a statement
    # that was cancelled (1317, 1969); a table whose definition changed, as by an upgrade (1412).
    busy = frozenset({1020, 1040, 1047, 1203, 1205, 1213, 1226, 1317, 1412, 1969}) | read_only
    busy |= {"unusable copy"}
    lost = frozenset({1053, 1180, 1927, 2006, 2013})
    forbidden = frozenset({1044, 1142, 1143, 1227, 1370, 1419})
    no_entry = frozenset({1045, 1049, 1129, 1130, 1251, 1524, 1698, 1820, 1862, 2054, 3118, 4151})
    no_session = frozenset({1064, 1115, 1193, 1229, 1231, 1232, 1238, 1273, 1286, 1298, 1649})
    no_tls = frozenset({2026})
    duplicate = frozenset({1062})
    reference = frozenset({1216, 1217, 1451, 1452})
    shows_a_value = frozenset({1292, 1366, 1367, 1411})
    # A SIGNAL of our own.
    unmatched = frozenset({1644})
    unfit = {
        1054: OLD_SCHEMA,
        1146: OLD_SCHEMA,
        1153: "the statement is larger than the server's max_allowed_packet; raise that",
    }
    # The columns of a foreign key; or the name of a unique key, which stands after the value.
    names_columns = re.compile(
        rf"FOREIGN KEY \(`(\w+)`\)|^.*{QUOTE}(?:\w+\.)?(\w+){QUOTE}", re.DOTALL
    )

    def of(self, origin: Any) -> Set[Any]:
        """Return the number; for a copy of a table that can't be used, "unusable copy"."""
        codes = super().of(origin)
        for code in codes & _UNUSABLE_COPY.keys():
            if _UNUSABLE_COPY[code].search(str(origin.args[-1])):
                return {"unusable copy"}
        return codes


class MariaDBCatalog(Catalog):
    """The information_schema of MariaDB."""

    storage_engines = """SELECT table_name, engine FROM information_schema.tables
        WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"""
    collations = """SELECT table_name, column_name, collation_name
        FROM information_schema.columns
        WHERE table_schema = DATABASE() AND collation_name IS NOT NULL
        ORDER BY table_name, ordinal_position"""
    inexact_columns = """SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = database() AND collation_name <> 'utf8mb4_nopad_bin'"""
    old_row_formats = """SELECT table_name FROM information_schema.tables
        WHERE table_schema = database() AND row_format IN ('Compact', 'Redundant')"""
    foreign_triggers = """SELECT count(*) FROM information_schema.triggers
        WHERE trigger_schema = database() AND trigger_name LIKE 'record_foreign_%%'"""
    # Galera writes a binary log although it says that there is none.
    triggers_forbidden = """
        SELECT NOT @@log_bin_trust_function_creators
            AND (@@log_bin OR 'ON' IN (
                SELECT variable_value FROM information_schema.session_variables
                WHERE variable_name = 'WSREP_ON'))
            AND NOT EXISTS (SELECT 1 FROM information_schema.user_privileges
                            WHERE privilege_type = 'SUPER')"""

    def uses(
        self, connection: sa.Connection, columns: Mapping[str, Iterable[str]]
    ) -> Iterable[Use]:
        """Return what depends on these columns."""
        return [
            (what, table, column)
            for what, table, text in connection.exec_driver_sql(_USES)
            for column in columns.get(table, ())
            if f"`{column}`" in text
        ]


# Only a trigger that runs before an UPDATE can write to its row.
_RECORD_INSERTS = """
CREATE OR REPLACE TRIGGER record_foreign_{table}_insert AFTER INSERT ON {table} FOR EACH ROW
IF NEW.moves IS NULL AND NEW.state IS NOT NULL THEN
    INSERT INTO transitions (resource, object_id, object_uuid, seq, to_state, at, kind, reason)
    VALUES ('{resource}', NEW.id, NEW.uuid, 0, NEW.state, UTC_TIMESTAMP(6), 'foreign',
            CONCAT('written by the account ', USER()));
END IF"""
_RECORD_UPDATES = """
CREATE OR REPLACE TRIGGER record_foreign_{table}_update BEFORE UPDATE ON {table} FOR EACH ROW
IF NOT (NEW.state <=> OLD.state) AND NEW.moves <=> OLD.moves THEN
    SET NEW.moves = COALESCE(OLD.moves, 0) + 1;
    IF NEW.state = 'SUSPENDED' AND OLD.worker_id > 0 THEN
        SET NEW.worker_id = 0, NEW.attempts = OLD.attempts - 1;
    ELSEIF NEW.state <> 'SUSPENDED' AND NEW.state <> 'ONGOING' THEN
        SET NEW.worker_id = NULL, NEW.attempts = NULL, NEW.available_at = NULL;
    END IF;
    INSERT INTO transitions
        (resource, object_id, object_uuid, seq, from_state, to_state, at, kind, reason)
    VALUES ('{resource}', NEW.id, NEW.uuid, NEW.moves, OLD.state, NEW.state, UTC_TIMESTAMP(6),
            'foreign', CONCAT('written by the account ', USER()));
END IF"""


class MariaDB(Backend):
    """MariaDB through PyMySQL."""

    name = extra = "mysql"
    errors = MariaDBErrors()
    catalog = MariaDBCatalog()
    session_statements = (
        f"SET NAMES utf8mb4, {_ASSIGNMENTS}",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
    )
    session_requirements = {
        "NOT @@log_bin OR @@binlog_format <> 'STATEMENT'": "binlog_format must be ROW or MIXED",
        "NOT @@log_bin OR @@sql_log_bin": "sql_log_bin must be ON",
    }
    begin = "START TRANSACTION"
    create_foreign_triggers = (_RECORD_INSERTS, _RECORD_UPDATES)
    begin_with = "BEGIN NOT ATOMIC START TRANSACTION; {0}; END"
    commit_with = (
        "BEGIN NOT ATOMIC {0}; "
        "IF ROW_COUNT() = 0 THEN SIGNAL SQLSTATE '45000'; END IF; COMMIT; END"
    )
    reads_ranges_in_order = True
    now = "UTC_TIMESTAMP(6)"
    later = "UTC_TIMESTAMP(6) + INTERVAL {0} SECOND"
    try_migration_lock = "SELECT GET_LOCK(CONCAT('watcher_objects ', DATABASE()), 0)"

    def connector(self) -> Connector:
        """Return what opens a connection."""
        from watcher_objects.db.backend.dialects.pymysql import Connection

        return Connection

    def connect_timeout(self, seconds: float) -> float:
        """Return fractions, too."""
        return float(seconds)

    def socket(self, connection: Any) -> int:
        """Return the number of the driver's socket."""
        number: int = connection._sock.fileno() if connection._sock else -1
        return number

    def is_in_transaction(self, connection: Any) -> bool:
        """Return what the server said with its last answer."""
        return bool(connection.server_status & 1)

    def clear_result(self, connection: Any) -> None:
        """Release the rows of the last statement, which other drivers do not keep."""
        connection._result = None

    def write_and_read(self, write: str, others: Sequence[str], is_transaction: bool) -> str:
        """Return a compound statement.

        What matched is counted, too, since SQLAlchemy has its drivers say so.
        """
        begin, commit = ("START TRANSACTION; ", "COMMIT; ") if is_transaction else ("", "")
        return (
            f"BEGIN NOT ATOMIC {begin}{write}; "
            f"IF ROW_COUNT() > 0 THEN {'; '.join(others)}; END IF; {commit}END"
        )

    def for_each(self, select: str, others: Sequence[str], is_transaction: bool) -> str:
        """Return a compound statement with a loop."""
        begin, commit = ("START TRANSACTION; ", "COMMIT; ") if is_transaction else ("", "")
        return (
            f"BEGIN NOT ATOMIC {begin}FOR picked IN ({select}) DO {'; '.join(others)}; END FOR; "
            f"{commit}END"
        )

    def is_cluster_node(self, connection: sa.Connection) -> bool:
        """Return whether a server is a node of a Galera cluster."""
        found = connection.exec_driver_sql("SHOW VARIABLES LIKE 'wsrep_on'").first()
        return found is not None and found[1] == "ON"


class MySQLClient(MariaDB):
    """MariaDB through mysqlclient."""

    extra = "mysqlclient"

    def connector(self) -> Connector:
        """Return what opens a connection."""
        from watcher_objects.db.backend.dialects.mysqldb import Connection

        return Connection

    def connect_timeout(self, seconds: float) -> float:
        """Return whole seconds."""
        return max(int(seconds), 1)

    def socket(self, connection: Any) -> int:
        """Return the number of the driver's socket, which a closed connection does not know."""
        number: int = connection.fileno()
        return number

    def is_in_transaction(self, connection: Any) -> bool:
        """Ask the server: the driver does not say. Without an answer, nothing is known."""
        from MySQLdb import Error

        try:
            return bool(connection.value(b"SELECT @@in_transaction"))
        except Error:
            return True

    def clear_result(self, connection: Any) -> None:
        """Release nothing: the cursor keeps the rows."""
