# SPDX-License-Identifier: Apache-2.0
"""Create the tables of goals, audits and what comes of them.

The id, like those of the eleven that follow, is that of the revision of Watcher's own chain
which is meant to lead to the same schema.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "001"
down_revision = None
branch_labels = None
depends_on = None

#: What has to be there where a database says that it is at this revision, or a later one.
creates = (
    "goals",
    "scoring_engines",
    "services",
    "strategies",
    "audit_templates",
    "audits",
    "action_plans",
    "actions",
    "efficacy_indicators",
)


def _reference(name: str, target: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), sa.ForeignKey(f"{target}.id"), nullable=nullable)


def _create(name: str, *items: Any) -> None:
    op.get_context().opts["steps"].create_table(
        name,
        sa.Column("created_at", sa.DateTime(), nullable=True),
        sa.Column("updated_at", sa.DateTime(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(), nullable=True),
        sa.Column("deleted", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        *items,
    )


def upgrade() -> None:
    _create(
        "goals",
        sa.Column("uuid", sa.String(36), nullable=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("display_name", sa.String(63), nullable=False),
        sa.Column("efficacy_specification", sa.Text(), nullable=False),
        sa.UniqueConstraint("uuid", name="uniq_goals0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_goals0name"),
    )
    _create(
        "scoring_engines",
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("description", sa.String(255), nullable=True),
        sa.Column("metainfo", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_scoring_engines0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_scoring_engines0name"),
    )
    _create(
        "services",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("last_seen_up", sa.DateTime(), nullable=True),
        sa.UniqueConstraint("host", "name", "deleted", name="uniq_services0host0name0deleted"),
    )
    _create(
        "strategies",
        sa.Column("uuid", sa.String(36), nullable=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("display_name", sa.String(63), nullable=False),
        _reference("goal_id", "goals"),
        sa.Column("parameters_spec", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_strategies0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_strategies0name"),
    )
    _create(
        "audit_templates",
        sa.Column("uuid", sa.String(36), nullable=True),
        sa.Column("name", sa.String(63), nullable=True),
        sa.Column("description", sa.String(255), nullable=True),
        _reference("goal_id", "goals"),
        _reference("strategy_id", "strategies", nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_audit_templates0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_audit_templates0name"),
    )
    _create(
        "audits",
        sa.Column("uuid", sa.String(36), nullable=True),
        sa.Column("audit_type", sa.String(20), nullable=True),
        sa.Column("state", sa.String(20), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=True),
        sa.Column("interval", sa.Integer(), nullable=True),
        _reference("goal_id", "goals"),
        _reference("strategy_id", "strategies", nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("auto_trigger", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("uuid", name="uniq_audits0uuid"),
    )
    _create(
        "action_plans",
        sa.Column("uuid", sa.String(36), nullable=True),
        _reference("audit_id", "audits"),
        _reference("strategy_id", "strategies"),
        sa.Column("state", sa.String(20), nullable=True),
        sa.Column("global_efficacy", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_action_plans0uuid"),
    )
    _create(
        "actions",
        sa.Column("uuid", sa.String(36), nullable=False),
        _reference("action_plan_id", "action_plans"),
        sa.Column("action_type", sa.String(255), nullable=False),
        sa.Column("input_parameters", sa.Text(), nullable=True),
        sa.Column("state", sa.String(20), nullable=True),
        sa.Column("parents", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_actions0uuid"),
    )
    _create(
        "efficacy_indicators",
        sa.Column("uuid", sa.String(36), nullable=True),
        sa.Column("name", sa.String(63), nullable=True),
        sa.Column("description", sa.String(255), nullable=True),
        sa.Column("unit", sa.String(63), nullable=True),
        sa.Column("value", sa.Numeric(), nullable=True),
        _reference("action_plan_id", "action_plans"),
        sa.UniqueConstraint("uuid", name="uniq_efficacy_indicators0uuid"),
    )


def downgrade() -> None:
    for name in reversed(creates):
        op.get_context().opts["steps"].drop_table(name)
