# SPDX-License-Identifier: Apache-2.0
"""Note why an audit, a plan or an action is in its state."""

import sqlalchemy as sa
from alembic import op

revision = "7150a7d8f228"
down_revision = "15f7375ca737"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns("action_plans", sa.Column("status_message", sa.String(255)))
    steps.add_columns("actions", sa.Column("status_message", sa.String(255)))
    steps.add_columns("audits", sa.Column("status_message", sa.String(255)))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_columns("action_plans", "status_message")
    steps.drop_columns("actions", "status_message")
    steps.drop_columns("audits", "status_message")
