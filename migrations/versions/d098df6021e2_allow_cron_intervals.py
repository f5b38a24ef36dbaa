# SPDX-License-Identifier: Apache-2.0
"""Allow cron expressions as intervals, and store when a continuous audit runs next."""

import sqlalchemy as sa
from alembic import context, op
from alembic.util import CommandError

revision = "d098df6021e2"
down_revision = "0f6042416884"
branch_labels = None
depends_on = None

changes_types = True


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.convert("audits", sa.Column("interval", sa.String(36)))
    steps.add_columns("audits", sa.Column("next_run_time", sa.DateTime()))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    audits = sa.table("audits", sa.column("uuid"), sa.column("interval"))
    if not context.is_offline_mode():
        for audit in op.get_bind().execute(
            sa.select(audits).where(audits.c.interval.is_not(None))
        ):
            if not str(audit.interval).isdecimal():
                reason = f"audit {audit.uuid} has a cron interval, not a number of seconds"
                raise CommandError(f"{reason}: end or change it first")
    steps.drop_columns("audits", "next_run_time")
    steps.convert("audits", sa.Column("interval", sa.Integer()))
