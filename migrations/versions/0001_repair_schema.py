# SPDX-License-Identifier: Apache-2.0
"""Repair what Watcher's own chain leaves out or gets wrong, and let text and times be exact.

On a database that is right already, like one that these revisions made, little is left to do.
Nothing of it is in the way of Watcher 17, so that there is nothing to take back.
"""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0001_repair_schema"
down_revision = "f56ba02662b4"
branch_labels = None
depends_on = None


_TABLES = (
    "goals",
    "strategies",
    "audit_templates",
    "audits",
    "action_plans",
    "actions",
    "efficacy_indicators",
    "scoring_engines",
    "services",
    "action_descriptions",
    "apscheduler_jobs",
)
_TIMES = {"services": ("last_seen_up",), "audits": ("next_run_time", "start_time", "end_time")}
_DOCUMENTS = {
    "goals": ("efficacy_specification",),
    "strategies": ("parameters_spec",),
    "audit_templates": ("scope", "default_parameters"),
    "audits": ("parameters", "scope"),
    "action_plans": ("global_efficacy",),
    "actions": ("input_parameters", "parents"),
    "apscheduler_jobs": ("tag",),
}
_NUMBERS = {"efficacy_indicators": ("value", "data"), "apscheduler_jobs": ("next_run_time",)}

#: Tables that Watcher's create_schema left out of databases at earlier revisions.
restores = ("apscheduler_jobs",)
#: Types of columns change, which what depends on them may not allow.
changes_types = True


def _times(table: str) -> tuple[str, ...]:
    return ("created_at", "updated_at", "deleted_at", *_TIMES.get(table, ()))


#: What is wrong with rows that this repairs: the table, the column and the kind of fault.
repairs = (
    ("action_plans", "global_efficacy", "object"),
    ("audits", "name", "null"),
    ("audits", "force", "null"),
    *((table, name, "zero date") for table in _TABLES for name in _times(table)),
)


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"))


def _columns(table: str) -> list[sa.Column[Any]]:
    document = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    columns = [_time(name) for name in _times(table)]
    for name in _DOCUMENTS.get(table, ()):
        columns.append(sa.Column(name, document, nullable=table != "goals"))
    columns += [sa.Column(name, sa.Double()) for name in _NUMBERS.get(table, ())]
    return columns + ([sa.Column("interval", sa.String(36))] if table == "audits" else [])


def upgrade() -> None:
    steps, data = (op.get_context().opts[name] for name in ("steps", "data"))
    steps.restore("0f6042416884")
    times = (_time(name) for name in _times("apscheduler_jobs"))
    steps.add_columns("apscheduler_jobs", *times, sa.Column("deleted", sa.Integer()))
    if not context.is_offline_mode():
        # Watcher's model has it, and it says what the primary key says. On PostgreSQL it may be
        # the name of that key itself.
        steps.drop_unique("uniq_apscheduler_jobs0id", "apscheduler_jobs")
    for table in _TABLES:
        steps.widen_rows(table)
        data.clear_zero_dates(table, *_times(table))
        steps.convert(table, *_columns(table))
        steps.compare_exactly(table)
        steps.default(table, "deleted", "0")
        if table != "apscheduler_jobs":
            data.mark_deleted(table)
    data.fill("apscheduler_jobs", "deleted", 0)
    data.copy_missing("efficacy_indicators", "value", "data")
    data.wrap_objects("action_plans", "global_efficacy")
    data.require("audits", "force", sa.Boolean(), False)
    data.name_audits()
    data.create_name_key()
    for table in _TABLES:
        if table != "apscheduler_jobs":
            data.advance_sequence(table)


def downgrade() -> None:
    """Leave it: this is the schema that Watcher 17's own models describe."""
