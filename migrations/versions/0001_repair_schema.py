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


def _columns(table: str) -> list[sa.Column[Any]]:
    time = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    document = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    times = ("created_at", "updated_at", "deleted_at", *_TIMES.get(table, ()))
    columns: list[sa.Column[Any]] = [sa.Column(name, time) for name in times]
    for name in _DOCUMENTS.get(table, ()):
        columns.append(sa.Column(name, document, nullable=table != "goals"))
    columns += [sa.Column(name, sa.Double()) for name in _NUMBERS.get(table, ())]
    return columns + ([sa.Column("interval", sa.String(36))] if table == "audits" else [])


def upgrade() -> None:
    steps, data = (op.get_context().opts[name] for name in ("steps", "data"))
    times = (sa.Column(n, sa.DateTime()) for n in ("created_at", "updated_at", "deleted_at"))
    steps.add_columns("apscheduler_jobs", *times, sa.Column("deleted", sa.Integer()))
    if not context.is_offline_mode():
        # Watcher's model has it, and it says what the primary key says. On PostgreSQL it may be
        # the name of that key itself.
        steps.drop_unique("uniq_apscheduler_jobs0id", "apscheduler_jobs")
    for table in _TABLES:
        steps.convert(table, *_columns(table))
        steps.compare_exactly(table)
        steps.default(table, "deleted", "0")
        if table != "apscheduler_jobs":
            data.mark_deleted(table)
    data.fill("apscheduler_jobs", "deleted", 0)
    data.copy_missing("efficacy_indicators", "value", "data")
    data.require("audits", "force", sa.Boolean(), False)
    data.name_audits()
    data.create_name_key()


def downgrade() -> None:
    """Leave it: this is the schema that Watcher 17's own models describe."""
