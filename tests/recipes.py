# SPDX-License-Identifier: Apache-2.0
"""The recipes for contributors: what each place is called, and what belongs there, of all of them.

A place is a list of changes: a file, what is replaced, and what by; of a new file nothing is.
"""

from tests import trial

_REVISION = '''# SPDX-License-Identifier: Apache-2.0
"""Take a step."""

import sqlalchemy as sa
from alembic import op

revision = "0099_take_a_step"
down_revision = "{newest}"
branch_labels = None
depends_on = None
creates = ("memos",)

def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
'''
_MEMOS = """

memos = _table(
    "memos",
    _id(),
    sa.Column("uuid", _text(36)),
    sa.Column("name", _text(63), nullable=False),
    sa.Column("description", _text(255)),
    _unique("memos", "uuid"),
    _unique("memos", "name", "deleted"),
)

strategies = _table("""
_CREATE_MEMOS = """op.get_context().opts["steps"].create_table(
        "memos",
        sa.Column("id", sa.Integer, primary_key=True, nullable=False),
        sa.Column("uuid", sa.String(36)),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("description", sa.String(255)),
        *[sa.Column(name, sa.DateTime) for name in ("created_at", "updated_at", "deleted_at")],
        sa.Column("deleted", sa.Integer, server_default="0"),
        sa.UniqueConstraint("uuid", name="uniq_memos0uuid"),
        sa.UniqueConstraint("name", "deleted", name="uniq_memos0name"),
    )"""
_MEMO = '''# SPDX-License-Identifier: Apache-2.0
"""Memos."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import Released


@base.WatcherObjectRegistry.register
class Memo(base.Identified, base.Named, base.WatcherPersistentObject):
    """A memo."""

    history = {"1.0": Released("2026.2")}
    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "description": fields.StringField(nullable=True),
    }
    table = models.memos
    resource = "memo"
    not_found = exception.MemoNotFound
    already_exists = exception.MemoAlreadyExists
'''
_ERRORS = '''class MemoNotFound(ResourceNotFound):
    """Memo %(memo)s not found"""


class MemoAlreadyExists(AlreadyExists):
    """Memo %(name)s already exists"""


class GoalNotFound(ResourceNotFound):'''

_MAKER = '''    def memo(self, **given: Any) -> Memo:
        """Store a memo."""
        return self.create(Memo, **given)

    def goal(self'''

FINGERPRINTS = "``tox run -e fingerprints``"
MODELS, MIGRATIONS = "``db/models.py``", "``migrations/versions/``"
_STEPS = 'op.get_context().opts["steps"].'
_UP = f"""{_CREATE_MEMOS}
    {_STEPS}add_columns("audits", sa.Column("priority", sa.Integer))
    {_STEPS}add_columns("actions", sa.Column("critical", sa.Boolean))
    {_STEPS}create_index("ix_goals_display_name", "goals", "display_name", "id")"""
_DOWN = f"""{_STEPS}drop_index("ix_goals_display_name", "goals", "display_name")
    {_STEPS}drop_columns("actions", "critical")
    {_STEPS}drop_columns("audits", "priority")
    {_STEPS}drop_table("memos")"""
_PRIORITY = ' "1.9": Released("2026.2", Added("priority")),'
_CRITICAL = ' "2.2": Released("2026.2", Added("critical", False)),'


def _before(path, anchor, added):
    return f"watcher_objects/{path}", anchor, added + anchor


def _after(path, anchor, added):
    return f"watcher_objects/{path}", anchor, anchor + added


_MOVES = "        State.CANCELLED: frozenset({State.DELETED}),\n"
_DRAWN = "   CANCELLED ─────▶ DELETED\n"
_DOCUMENTED = 'SUCCEEDED: DELETED; FAILED: DELETED; CANCELLED: DELETED;"\n        "DELETED:'
#: The places of a state that may follow CANCELLED.
STATE = {
    "``states.py``": [
        _after("states.py", '    SUSPENDED = "SUSPENDED"\n', '    ARCHIVED = "ARCHIVED"\n'),
        (
            "watcher_objects/states.py",
            f"{_MOVES}        State.DELETED: frozenset(),",
            _MOVES.replace("{", "{State.ARCHIVED, ")
            + _MOVES.replace("CANCELLED", "ARCHIVED")
            + "        State.DELETED: frozenset(),",
        ),
    ],
    "``tests/test_states.py``": [
        (
            "tests/test_states.py",
            _DOCUMENTED,
            _DOCUMENTED.replace(
                "CANCELLED: DELETED;", "CANCELLED: DELETED ARCHIVED; ARCHIVED: DELETED;"
            ),
        )
    ],
    "``README.rst``": [
        (
            "README.rst",
            _DRAWN,
            "   CANCELLED ──┬──▶ ARCHIVED\n               └──▶ DELETED\n"
            + _DRAWN.replace("CANCELLED", "ARCHIVED "),
        )
    ],
}
#: The places by what the page calls them; ``{newest}`` is still to be filled in.
PLACES = {
    MODELS: [
        _after(
            "db/models.py",
            '_unique("goals", "name", "deleted"),',
            ' _index("goals", "display_name"),',
        ),
        _before(
            "db/models.py", '_unique("audits", "uuid"),', 'sa.Column("priority", sa.Integer), '
        ),
        _before(
            "db/models.py", '_unique("actions", "uuid"),', 'sa.Column("critical", sa.Boolean), '
        ),
        ("watcher_objects/db/models.py", "\n\nstrategies = _table(", _MEMOS),
    ],
    MIGRATIONS: [
        (
            "migrations/versions/0099_take_a_step.py",
            "",
            _REVISION.format(newest="{newest}", up=_UP, down=_DOWN),
        )
    ],
    "``fields``": [
        _before(
            "audit.py", '"goal": fields.Obj', '"priority": fields.IntegerField(nullable=True), '
        ),
        _before(
            "action.py", '"action_plan": f', '"critical": fields.BooleanField(default=False), '
        ),
    ],
    "``history``": [
        _after("audit.py", '"1.8": Released("2025.2", Added("status_message")),', _PRIORITY),
        _after("action.py", '"2.1": Released("2025.2", Added("status_message")),', _CRITICAL),
    ],
    "``strategy.py``": [("watcher_objects/memo.py", "", _MEMO)],
    "``exception.py``": [
        ("watcher_objects/exception.py", "class GoalNotFound(ResourceNotFound):", _ERRORS)
    ],
    "``watcher_objects/__init__.py``": [
        _after(
            "__init__.py",
            "from watcher_objects.goal import Goal",
            "\nfrom watcher_objects.memo import Memo",
        ),
        _after("__init__.py", '"Goal",', ' "Memo",'),
    ],
    "``cli/entity.py``": [
        _after("cli/entity.py", "    Goal,", " Memo,"),
        _after("cli/entity.py", "KINDS = {", ' "memo": Kind(Memo, ("uuid", "name")),'),
    ],
    "``docs/commands.rst``": [
        ("docs/commands.rst", f"``goal {verb}``,", f"``goal {verb}``, ``memo {verb}``,")
        for verb in ("list", "show")
    ],
    "``testing/factory.py``": [
        _after("testing/factory.py", "    Goal,", " Memo,"),
        ("watcher_objects/testing/factory.py", "    def goal(self", _MAKER),
    ],
    FINGERPRINTS: [(trial.DUE, "", "")],
    **STATE,
}
RECIPES = {
    "How to add a migration": {MODELS, MIGRATIONS},
    "How to add a field": {MODELS, MIGRATIONS, "``fields``", "``history``", FINGERPRINTS},
    "How to add an entity": PLACES.keys() - STATE.keys() - {"``fields``", "``history``"},
    "How to add a state": STATE.keys(),
}
