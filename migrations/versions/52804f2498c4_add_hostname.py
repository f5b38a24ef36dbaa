# SPDX-License-Identifier: Apache-2.0
"""Note on which host an audit or an action plan is worked on."""

import sqlalchemy as sa
from alembic import op

revision = "52804f2498c4"
down_revision = "a86240e89a29"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns("audits", sa.Column("hostname", sa.String(255)))
    steps.add_columns("action_plans", sa.Column("hostname", sa.String(255)))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_columns("audits", "hostname")
    steps.drop_columns("action_plans", "hostname")
