# SPDX-License-Identifier: Apache-2.0
"""Add the times at which a continuous audit begins and ends."""

import sqlalchemy as sa
from alembic import op

revision = "4b16194c56bc"
down_revision = "52804f2498c4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns(
        "audits", sa.Column("start_time", sa.DateTime()), sa.Column("end_time", sa.DateTime())
    )


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_columns("audits", "start_time", "end_time")
