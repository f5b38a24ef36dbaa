# SPDX-License-Identifier: Apache-2.0
"""Create the table of the scheduler's jobs, where the scheduler has not done so itself."""

import sqlalchemy as sa
from alembic import op

revision = "0f6042416884"
down_revision = "001"
branch_labels = None
depends_on = None

creates = ("apscheduler_jobs",)


def upgrade() -> None:
    op.get_context().opts["steps"].create_table(
        "apscheduler_jobs",
        sa.Column("id", sa.String(191), primary_key=True),
        sa.Column("next_run_time", sa.Double(), nullable=True),
        sa.Column("job_state", sa.LargeBinary(), nullable=False),
        sa.Column("service_id", sa.Integer(), sa.ForeignKey("services.id"), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
    )
    op.get_context().opts["steps"].create_index(
        "ix_apscheduler_jobs_next_run_time", "apscheduler_jobs", "next_run_time"
    )


def downgrade() -> None:
    op.get_context().opts["steps"].drop_table("apscheduler_jobs")
