# SPDX-License-Identifier: Apache-2.0
"""Add parameters of the strategy to audit templates."""

import sqlalchemy as sa
from alembic import op

revision = "f56ba02662b4"
down_revision = "7150a7d8f228"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns("audit_templates", sa.Column("default_parameters", sa.Text()))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_columns("audit_templates", "default_parameters")
