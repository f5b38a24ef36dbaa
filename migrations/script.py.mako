# SPDX-License-Identifier: Apache-2.0
"""${message}."""
<%
    body = f"{upgrades}{downgrades}"
    needed = {"sa.": "import sqlalchemy as sa", "op.": "from alembic import op"}
    lines = [line for name, line in needed.items() if name in body]
%>
% for line in [*lines, *(imports or "").splitlines()]:
${line}
% endfor
% if lines:

% endif
revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
