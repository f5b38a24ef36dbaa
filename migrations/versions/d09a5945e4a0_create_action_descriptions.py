# SPDX-License-Identifier: Apache-2.0
"""Create the table of what the types of actions do."""

import sqlalchemy as sa
from alembic import op

revision = "d09a5945e4a0"
down_revision = "d098df6021e2"
branch_labels = None
depends_on = None

creates = ("action_descriptions",)


def upgrade() -> None:
    op.get_context().opts["steps"].create_table(
        "action_descriptions",
        sa.Column("created_at", sa.DateTime(), nullable=True),
        sa.Column("updated_at", sa.DateTime(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(), nullable=True),
        sa.Column("deleted", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("action_type", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.UniqueConstraint("action_type", name="uniq_action_description0action_type"),
    )


def downgrade() -> None:
    op.get_context().opts["steps"].drop_table("action_descriptions")
