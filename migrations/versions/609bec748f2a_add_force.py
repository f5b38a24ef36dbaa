# SPDX-License-Identifier: Apache-2.0
"""Allow an audit to run while others of its goal do."""

import sqlalchemy as sa
from alembic import op

revision = "609bec748f2a"
down_revision = "4b16194c56bc"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns("audits", sa.Column("force", sa.Boolean()))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_columns("audits", "force")
