# SPDX-License-Identifier: Apache-2.0
"""Give audits a name."""

import sqlalchemy as sa
from alembic import op

revision = "3cfc94cecf4e"
down_revision = "d09a5945e4a0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.add_columns("audits", sa.Column("name", sa.String(63)))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    steps.drop_unique("uniq_audits0name", "audits")
    steps.drop_columns("audits", "name")
