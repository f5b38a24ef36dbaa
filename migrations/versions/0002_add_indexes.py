# SPDX-License-Identifier: Apache-2.0
"""Add the indexes that lists by state, host, owner and time are read from.

The id at their ends serves pages of a list that is filtered by the first column.
"""

from alembic import op

revision = "0002_add_indexes"
down_revision = "0001_repair_schema"
branch_labels = None
depends_on = None

_INDEXES = {
    "strategies": ("goal_id",),
    "audit_templates": ("goal_id", "strategy_id"),
    "audits": (
        "name",
        "state",
        "hostname",
        "goal_id",
        "strategy_id",
        "created_at",
        "updated_at",
    ),
    "action_plans": ("state", "audit_id", "strategy_id", "created_at"),
    "actions": ("state", "action_plan_id"),
    "efficacy_indicators": ("action_plan_id",),
}


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    for table, columns in _INDEXES.items():
        for column in columns:
            steps.create_index(f"ix_{table}_{column}", table, column, "id")


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    for table, columns in _INDEXES.items():
        for column in columns:
            steps.drop_index(f"ix_{table}_{column}", table, column)
