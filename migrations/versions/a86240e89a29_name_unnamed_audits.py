# SPDX-License-Identifier: Apache-2.0
"""Name the audits that have no name: by their strategy, or else their goal, and their time."""

from alembic import op

revision = "a86240e89a29"
down_revision = "3cfc94cecf4e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_context().opts["data"].name_audits()


def downgrade() -> None:
    """Keep the names: they look like those that people gave."""
