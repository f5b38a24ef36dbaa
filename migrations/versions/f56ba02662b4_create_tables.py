# SPDX-License-Identifier: Apache-2.0
"""Create the tables of the whole family.

The revision carries the id of Watcher 17's last one: this is the schema that it is meant to
lead to, with text that compares exactly and times that keep their microseconds.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "f56ba02662b4"
down_revision = None
branch_labels = None
depends_on = None


def _text(length: int) -> Any:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _time() -> Any:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _document() -> Any:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def _reference(name: str, target: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), sa.ForeignKey(f"{target}.id"), nullable=nullable)


def _create(name: str, *items: Any, ident: Any = None) -> None:
    op.create_table(
        name,
        sa.Column("created_at", _time(), nullable=True),
        sa.Column("updated_at", _time(), nullable=True),
        sa.Column("deleted_at", _time(), nullable=True),
        sa.Column("deleted", sa.Integer(), server_default="0", nullable=True),
        sa.Column("id", ident or sa.Integer(), primary_key=True, nullable=False),
        *items,
        mysql_engine="InnoDB",
        mysql_default_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
    )


def upgrade() -> None:
    _create(
        "goals",
        sa.Column("uuid", _text(36), nullable=True),
        sa.Column("name", _text(63), nullable=False),
        sa.Column("display_name", _text(63), nullable=False),
        sa.Column("efficacy_specification", _document(), nullable=False),
        sa.UniqueConstraint("uuid", name="uniq_goals0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_goals0name"),
    )
    _create(
        "strategies",
        sa.Column("uuid", _text(36), nullable=True),
        sa.Column("name", _text(63), nullable=False),
        sa.Column("display_name", _text(63), nullable=False),
        _reference("goal_id", "goals"),
        sa.Column("parameters_spec", _document(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_strategies0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_strategies0name"),
    )
    _create(
        "audit_templates",
        sa.Column("uuid", _text(36), nullable=True),
        sa.Column("name", _text(63), nullable=True),
        sa.Column("description", _text(255), nullable=True),
        _reference("goal_id", "goals"),
        _reference("strategy_id", "strategies", nullable=True),
        sa.Column("scope", _document(), nullable=True),
        sa.Column("default_parameters", _document(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_audit_templates0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_audit_templates0name"),
    )
    _create(
        "audits",
        sa.Column("uuid", _text(36), nullable=True),
        sa.Column("name", _text(63), nullable=True),
        sa.Column("audit_type", _text(20), nullable=True),
        sa.Column("state", _text(20), nullable=True),
        sa.Column("parameters", _document(), nullable=True),
        sa.Column("interval", _text(36), nullable=True),
        _reference("goal_id", "goals"),
        _reference("strategy_id", "strategies", nullable=True),
        sa.Column("scope", _document(), nullable=True),
        sa.Column("auto_trigger", sa.Boolean(), nullable=False),
        sa.Column("next_run_time", _time(), nullable=True),
        sa.Column("hostname", _text(255), nullable=True),
        sa.Column("start_time", _time(), nullable=True),
        sa.Column("end_time", _time(), nullable=True),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("status_message", _text(255), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_audits0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_audits0name"),
    )
    _create(
        "action_plans",
        sa.Column("uuid", _text(36), nullable=True),
        _reference("audit_id", "audits"),
        _reference("strategy_id", "strategies"),
        sa.Column("state", _text(20), nullable=True),
        sa.Column("global_efficacy", _document(), nullable=True),
        sa.Column("hostname", _text(255), nullable=True),
        sa.Column("status_message", _text(255), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_action_plans0uuid"),
    )
    _create(
        "actions",
        sa.Column("uuid", _text(36), nullable=False),
        _reference("action_plan_id", "action_plans"),
        sa.Column("action_type", _text(255), nullable=False),
        sa.Column("input_parameters", _document(), nullable=True),
        sa.Column("state", _text(20), nullable=True),
        sa.Column("parents", _document(), nullable=True),
        sa.Column("status_message", _text(255), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_actions0uuid"),
    )
    _create(
        "efficacy_indicators",
        sa.Column("uuid", _text(36), nullable=True),
        sa.Column("name", _text(63), nullable=True),
        sa.Column("description", _text(255), nullable=True),
        sa.Column("unit", _text(63), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("data", sa.Double(), nullable=True),
        _reference("action_plan_id", "action_plans"),
        sa.UniqueConstraint("uuid", name="uniq_efficacy_indicators0uuid"),
    )
    _create(
        "scoring_engines",
        sa.Column("uuid", _text(36), nullable=False),
        sa.Column("name", _text(63), nullable=False),
        sa.Column("description", _text(255), nullable=True),
        sa.Column("metainfo", sa.Text(), nullable=True),
        sa.UniqueConstraint("uuid", name="uniq_scoring_engines0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_scoring_engines0name"),
    )
    _create(
        "services",
        sa.Column("name", _text(255), nullable=False),
        sa.Column("host", _text(255), nullable=False),
        sa.Column("last_seen_up", _time(), nullable=True),
        sa.UniqueConstraint("host", "name", "deleted", name="uniq_services0host0name0deleted"),
    )
    _create(
        "action_descriptions",
        sa.Column("action_type", _text(255), nullable=False),
        sa.Column("description", _text(255), nullable=False),
        sa.UniqueConstraint("action_type", name="uniq_action_description0action_type"),
    )
    _create(
        "apscheduler_jobs",
        sa.Column("next_run_time", sa.Double(), nullable=True),
        sa.Column("job_state", sa.LargeBinary(), nullable=False),
        sa.Column("tag", _document(), nullable=True),
        _reference("service_id", "services"),
        ident=_text(191),
    )
    op.create_index("ix_apscheduler_jobs_next_run_time", "apscheduler_jobs", ["next_run_time"])


def downgrade() -> None:
    for name in (
        "apscheduler_jobs",
        "action_descriptions",
        "services",
        "scoring_engines",
        "efficacy_indicators",
        "actions",
        "action_plans",
        "audits",
        "audit_templates",
        "strategies",
        "goals",
    ):
        op.drop_table(name)
