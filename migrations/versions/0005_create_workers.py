# SPDX-License-Identifier: Apache-2.0
"""Create the table of workers, and the columns of what they have claimed.

Other programs do not know the new columns, which may be NULL.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005_create_workers"
down_revision = "0004_create_transitions"
branch_labels = None
depends_on = None

creates = ("workers",)

_STATEFUL = ("audits", "action_plans", "actions")


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    ident = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    time = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    steps.create_table(
        "workers",
        sa.Column("id", ident, primary_key=True, autoincrement=True),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("program", sa.String(255)),
        sa.Column("ttl", sa.Integer, nullable=False),
        sa.Column("started_at", time, nullable=False),
        sa.Column("alive_until", time, nullable=False),
        sa.UniqueConstraint("uuid", name="uniq_workers0uuid"),
        reuses_ids=False,
    )
    steps.create_index("ix_workers_alive_until", "workers", "alive_until", "id")
    for table in _STATEFUL:
        steps.add_columns(
            table,
            sa.Column("worker_id", sa.BigInteger()),
            sa.Column("attempts", sa.Integer()),
            sa.Column("available_at", time),
        )
    names = ("state", "worker_id", "next_run_time", "id")
    steps.create_index("ix_audits_worker_id", "audits", *names)


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_index("ix_audits_worker_id", "audits", "state")
    for table in _STATEFUL:
        steps.drop_foreign_triggers(table)
        steps.drop_columns(table, "worker_id", "attempts", "available_at")
    steps.drop_table("workers")
