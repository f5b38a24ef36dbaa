# SPDX-License-Identifier: Apache-2.0
"""Keep the value of an efficacy indicator with its decimal places."""

import sqlalchemy as sa
from alembic import op

revision = "15f7375ca737"
down_revision = "609bec748f2a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns("efficacy_indicators", sa.Column("data", sa.Double()))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_columns("efficacy_indicators", "data")
