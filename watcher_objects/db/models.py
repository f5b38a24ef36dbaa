# SPDX-License-Identifier: Apache-2.0
"""The tables: one for each kind of object, and the scheduler's.

What the rest of the library asks of a table it reads here: lengths and types of the values,
unique keys, and relations, which are the foreign keys without their ``_id``.

Text compares exactly, by code point and with its trailing blanks, on every database; times
are in UTC and keep their microseconds; a document is JSON text whose top is ``info['json']``.
A table whose ``info`` has ``state_machine`` has a column ``state``, which keeps to those rules,
and ``moves``, the number of the last transition; the journal calls its rows by the ``resource``.
Rows whose foreign key is ``owned`` go when the row that they point at goes. A column that is a
``copy_of`` another is written with it. An ``internal`` column is neither a field nor a filter nor
a sort key. In text of a column with ``any_text``, characters that no database stores are replaced;
elsewhere they are rejected.
"""

from typing import Any

import sqlalchemy as sa

from watcher_objects.db.backend.dialects import column_types
from watcher_objects.states import (
    ActionPlanStateTransitionManager,
    ActionStateTransitionManager,
    AuditStateTransitionManager,
)
from watcher_objects.transitions import StateTransitionManager

#: How MariaDB compares text: by code point, with its trailing blanks.
COLLATION = "utf8mb4_nopad_bin"

metadata = sa.MetaData()
_MARIADB: Any = {
    "mysql_engine": "InnoDB",
    "mysql_default_charset": "utf8mb4",
    "mysql_collate": COLLATION,
}


def _text(length: int) -> sa.types.TypeEngine[str]:
    return column_types.exact_text(length)


def _message(name: str) -> sa.Column[str]:
    """Declare a column for the text of an error, with any characters."""
    return sa.Column(name, _text(255), info={"any_text": True})


def _time() -> sa.types.TypeEngine[Any]:
    return column_types.time()


def _document(name: str, top: type, nullable: bool = True) -> sa.Column[str]:
    kind = column_types.medium_text()
    return sa.Column(name, kind, nullable=nullable, info={"json": top})


def _reference(
    name: str, target: str, nullable: bool = False, owned: bool = False
) -> sa.Column[int]:
    key = sa.ForeignKey(f"{target}.id")
    return sa.Column(name, sa.Integer, key, nullable=nullable, info={"owned": owned})


def _common() -> list[sa.Column[Any]]:
    return [
        sa.Column("created_at", _time()),
        sa.Column("updated_at", _time()),
        sa.Column("deleted_at", _time()),
        sa.Column("deleted", sa.Integer, server_default="0"),
    ]


def _table(
    name: str,
    *items: Any,
    state_machine: type[StateTransitionManager] | None = None,
    resource: str | None = None,
) -> sa.Table:
    info = {"state_machine": state_machine, "resource": resource}
    return sa.Table(name, metadata, *_common(), *items, info=info, **_MARIADB)


def _internal(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, info={"internal": True})


def _moves() -> sa.Column[int]:
    """Declare the column that counts the writes of a row's state; NULL before the first one."""
    return _internal("moves", sa.BigInteger)


def _claim() -> list[sa.Column[Any]]:
    """Declare the columns that say which worker has claimed a row.

    ``worker_id`` is 0 if its worker has given the row back, and NULL if no worker has it;
    ``attempts`` is NULL unless workers have claimed it, and 0 between the runs of a continuous
    audit; ``available_at`` is when a row that was given back may be claimed again.
    """
    return [
        _internal("worker_id", sa.BigInteger),
        _internal("attempts", sa.Integer),
        _internal("available_at", _time()),
    ]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _index(table: str, column: str) -> sa.Index:
    """Index a column for lists that are filtered or sorted by it, and paginated."""
    return sa.Index(f"ix_{table}_{column}", column, "id")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    name = "0".join((f"uniq_{table}", *(c for c in columns if c != "deleted")))
    return sa.UniqueConstraint(*columns, name=name)


goals = _table(
    "goals",
    _id(),
    sa.Column("uuid", _text(36)),
    sa.Column("name", _text(63), nullable=False),
    sa.Column("display_name", _text(63), nullable=False),
    _document("efficacy_specification", list, nullable=False),
    _unique("goals", "uuid"),
    _unique("goals", "name", "deleted"),
)

strategies = _table(
    "strategies",
    _id(),
    sa.Column("uuid", _text(36)),
    sa.Column("name", _text(63), nullable=False),
    sa.Column("display_name", _text(63), nullable=False),
    _reference("goal_id", "goals"),
    _document("parameters_spec", dict),
    _unique("strategies", "uuid"),
    _unique("strategies", "name", "deleted"),
    _index("strategies", "goal_id"),
)

audit_templates = _table(
    "audit_templates",
    _id(),
    sa.Column("uuid", _text(36)),
    sa.Column("name", _text(63)),
    sa.Column("description", _text(255)),
    _reference("goal_id", "goals"),
    _reference("strategy_id", "strategies", nullable=True),
    _document("scope", list),
    _document("default_parameters", dict),
    _unique("audit_templates", "uuid"),
    _unique("audit_templates", "name", "deleted"),
    _index("audit_templates", "goal_id"),
    _index("audit_templates", "strategy_id"),
)

audits = _table(
    "audits",
    _id(),
    sa.Column("uuid", _text(36)),
    sa.Column("name", _text(63)),
    sa.Column("audit_type", _text(20)),
    sa.Column("state", _text(20)),
    _document("parameters", dict),
    sa.Column("interval", _text(36)),
    _reference("goal_id", "goals"),
    _reference("strategy_id", "strategies", nullable=True),
    _document("scope", list),
    sa.Column("auto_trigger", sa.Boolean, nullable=False),
    sa.Column("next_run_time", _time()),
    sa.Column("hostname", _text(255)),
    sa.Column("start_time", _time()),
    sa.Column("end_time", _time()),
    sa.Column("force", sa.Boolean, nullable=False),
    _message("status_message"),
    _unique("audits", "uuid"),
    _unique("audits", "name", "deleted"),
    _index("audits", "name"),
    _index("audits", "state"),
    _index("audits", "hostname"),
    _index("audits", "goal_id"),
    _index("audits", "strategy_id"),
    _index("audits", "created_at"),
    _index("audits", "updated_at"),
    _moves(),
    *_claim(),
    sa.Index("ix_audits_worker_id", "state", "worker_id", "next_run_time", "id"),
    state_machine=AuditStateTransitionManager,
    resource="audit",
)

action_plans = _table(
    "action_plans",
    _id(),
    sa.Column("uuid", _text(36)),
    _reference("audit_id", "audits"),
    _reference("strategy_id", "strategies"),
    sa.Column("state", _text(20)),
    _document("global_efficacy", list),
    sa.Column("hostname", _text(255)),
    _message("status_message"),
    _unique("action_plans", "uuid"),
    _index("action_plans", "state"),
    _index("action_plans", "audit_id"),
    _index("action_plans", "strategy_id"),
    _index("action_plans", "created_at"),
    _moves(),
    *_claim(),
    state_machine=ActionPlanStateTransitionManager,
    resource="action_plan",
)

actions = _table(
    "actions",
    _id(),
    sa.Column("uuid", _text(36), nullable=False),
    _reference("action_plan_id", "action_plans", owned=True),
    sa.Column("action_type", _text(255), nullable=False),
    _document("input_parameters", dict),
    sa.Column("state", _text(20)),
    _document("parents", list),
    _message("status_message"),
    _unique("actions", "uuid"),
    _index("actions", "state"),
    _index("actions", "action_plan_id"),
    _moves(),
    *_claim(),
    state_machine=ActionStateTransitionManager,
    resource="action",
)

efficacy_indicators = _table(
    "efficacy_indicators",
    _id(),
    sa.Column("uuid", _text(36)),
    sa.Column("name", _text(63)),
    sa.Column("description", _text(255)),
    sa.Column("unit", _text(63)),
    # Not Numeric, which has no decimal places on MariaDB. Watcher reads `data` in its place.
    sa.Column("value", sa.Double()),
    sa.Column("data", sa.Double(), info={"copy_of": "value"}),
    _reference("action_plan_id", "action_plans", owned=True),
    _unique("efficacy_indicators", "uuid"),
    _index("efficacy_indicators", "action_plan_id"),
)

scoring_engines = _table(
    "scoring_engines",
    _id(),
    sa.Column("uuid", _text(36), nullable=False),
    sa.Column("name", _text(63), nullable=False),
    sa.Column("description", _text(255)),
    sa.Column("metainfo", sa.Text),
    _unique("scoring_engines", "uuid"),
    _unique("scoring_engines", "name", "deleted"),
)

services = _table(
    "services",
    _id(),
    sa.Column("name", _text(255), nullable=False),
    sa.Column("host", _text(255), nullable=False),
    sa.Column("last_seen_up", _time()),
    sa.UniqueConstraint("host", "name", "deleted", name="uniq_services0host0name0deleted"),
)

action_descriptions = _table(
    "action_descriptions",
    _id(),
    sa.Column("action_type", _text(255), nullable=False),
    sa.Column("description", _text(255), nullable=False),
    sa.UniqueConstraint("action_type", name="uniq_action_description0action_type"),
)

#: What has been asked for over RPC and answered; no object's.
rpc_requests = sa.Table(
    "rpc_requests",
    metadata,
    sa.Column("token", _text(36), primary_key=True),
    sa.Column("created_at", _time(), nullable=False, index=True),
    sa.Column("answer", column_types.long_text()),
    # What distinguishes one call with a key from another that uses the same key by mistake.
    sa.Column("fingerprint", _text(64)),
    **_MARIADB,
)

apscheduler_jobs = _table(
    "apscheduler_jobs",
    sa.Column("id", _text(191), primary_key=True),
    sa.Column("next_run_time", sa.Double(), index=True),
    sa.Column("job_state", sa.LargeBinary, nullable=False, info={"pickled": True}),
    _document("tag", dict),
    _reference("service_id", "services"),
)

#: The journal: the transitions of the rows of all tables with states, in no relation to them, as
#: other programs remove rows.
transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("id", column_types.big_number(), primary_key=True, autoincrement=True),
    sa.Column("resource", _text(32), nullable=False),
    sa.Column("object_id", sa.Integer),
    sa.Column("object_uuid", _text(36)),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("from_state", _text(20)),
    sa.Column("to_state", _text(20)),
    sa.Column("at", _time(), nullable=False),
    sa.Column("host", _text(255)),
    sa.Column("user_id", _text(255)),
    sa.Column("project_id", _text(255)),
    sa.Column("request_id", _text(255)),
    sa.Column("kind", _text(16), nullable=False),
    sa.Column("reason", _text(255)),
    sa.Column("call", _text(36)),
    _unique("transitions", "resource", "object_id", "seq"),
    _index("transitions", "object_uuid"),
    info={"state_machine": None},
    **_MARIADB,
)

#: The processes that claim rows, and until when each of them is alive without another heartbeat,
#: by the database's clock.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", column_types.big_number(), primary_key=True, autoincrement=True),
    sa.Column("uuid", _text(36), nullable=False),
    sa.Column("host", _text(255), nullable=False),
    sa.Column("program", _text(255)),
    sa.Column("ttl", sa.Integer, nullable=False),
    sa.Column("started_at", _time(), nullable=False),
    sa.Column("alive_until", _time(), nullable=False),
    _unique("workers", "uuid"),
    _index("workers", "alive_until"),
    info={"state_machine": None},
    # What a worker has left must not be taken for a later worker's.
    sqlite_autoincrement=True,
    **_MARIADB,
)
