# SPDX-License-Identifier: Apache-2.0
"""Create the journal of transitions, and add fingerprints to idempotency keys.

Other programs do not know the new columns, which may be NULL.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004_create_transitions"
down_revision = "0003_create_rpc_requests"
branch_labels = None
depends_on = None

creates = ("transitions",)

_STATEFUL = ("audits", "action_plans", "actions")


def _text(name: str, length: int, nullable: bool = True) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length), nullable=nullable)


def upgrade() -> None:
    steps = op.get_context().opts["steps"]
    ident = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    time = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    steps.create_table(
        "transitions",
        sa.Column("id", ident, primary_key=True, autoincrement=True),
        _text("resource", 32, nullable=False),
        sa.Column("object_id", sa.Integer),
        _text("object_uuid", 36),
        sa.Column("seq", sa.BigInteger, nullable=False),
        _text("from_state", 20),
        _text("to_state", 20),
        sa.Column("at", time, nullable=False),
        _text("host", 255),
        _text("user_id", 255),
        _text("project_id", 255),
        _text("request_id", 255),
        _text("kind", 16, nullable=False),
        _text("reason", 255),
        _text("call", 36),
        sa.UniqueConstraint(
            "resource", "object_id", "seq", name="uniq_transitions0resource0object_id0seq"
        ),
    )
    steps.create_index("ix_transitions_object_uuid", "transitions", "object_uuid", "id")
    steps.add_columns("rpc_requests", _text("fingerprint", 64))
    for table in _STATEFUL:
        steps.add_columns(table, sa.Column("moves", sa.BigInteger()))


def downgrade() -> None:
    steps = op.get_context().opts["steps"]
    for table in _STATEFUL:
        steps.drop_foreign_triggers(table)
        steps.drop_columns(table, "moves")
    steps.drop_columns("rpc_requests", "fingerprint")
    steps.drop_table("transitions")
