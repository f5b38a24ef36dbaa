# SPDX-License-Identifier: Apache-2.0
"""Create the table of what has been asked for over RPC and answered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003_create_rpc_requests"
down_revision = "0002_add_indexes"
branch_labels = None
depends_on = None

creates = ("rpc_requests",)


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    token = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
    time = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    answer = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    steps.create_table(
        "rpc_requests",
        sa.Column("token", token, primary_key=True),
        sa.Column("created_at", time, nullable=False),
        sa.Column("answer", answer, nullable=True),
    )
    steps.create_index("ix_rpc_requests_created_at", "rpc_requests", "created_at")


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_table("rpc_requests")
