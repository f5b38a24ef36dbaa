# SPDX-License-Identifier: Apache-2.0
"""The README's recipes: what the README calls each place, and what somebody would write there.

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
{creates}

def upgrade() -> None:
    op.get_context().opts["steps"].{up}


def downgrade() -> None:
    op.get_context().opts["steps"].{down}
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
_CREATE_MEMOS = """create_table(
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


@base.WatcherObjectRegistry.register
class Memo(base.Identified, base.Named, base.WatcherPersistentObject):
    """A memo."""

    VERSION = "1.0"
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
    """There is no memo %(memo)s"""


class MemoAlreadyExists(Conflict):
    """There is a memo %(name)s already"""


class GoalNotFound(ResourceNotFound):'''

_MAKER = '''    def memo(self, **given: Any) -> Memo:
        """Store a memo."""
        return self.create(Memo, **given)

    def goal(self'''

FINGERPRINTS = "``tox run -e fingerprints``"
_MODELS, _MIGRATIONS = "watcher_objects/db/models.py", "migrations/versions/0099_take_a_step.py"
_VERSIONS = "tests/data/watcher_versions.json"
_NEWEST = '"2026.2": {"Action": "2.1", "ActionDescription": "1.0", "ActionPlan": "2.3", '
_NEWEST += '"Audit": "1.8", "AuditTemplate": "1.2", "EfficacyIndicator": "1.0", '


def _revision(up, down, creates=""):
    """A new file of a revision; ``newest`` is still to be filled in."""
    return [
        (_MIGRATIONS, "", _REVISION.format(newest="{newest}", creates=creates, up=up, down=down))
    ]


def _behind(path, anchor, added):
    return path, anchor, anchor + added


MIGRATION = {
    "``db/models.py``": [
        _behind(
            _MODELS, '_unique("goals", "name", "deleted"),', ' _index("goals", "display_name"),'
        )
    ],
    "``migrations/versions/``": _revision(
        'create_index("ix_goals_display_name", "goals", "display_name", "id")',
        'drop_index("ix_goals_display_name", "goals", "display_name")',
    ),
}
FIELD = {
    "``db/models.py``": [
        _behind(_MODELS, '"scoring_engines",\n    _id(),', ' sa.Column("contact", _text(63)),')
    ],
    "``migrations/versions/``": _revision(
        'add_columns("scoring_engines", sa.Column("contact", sa.String(63)))',
        'drop_columns("scoring_engines", "contact")',
    ),
    "``fields``": [
        _behind(
            "watcher_objects/scoring_engine.py",
            '"id": fields.IntegerField(),',
            ' "contact": fields.StringField(nullable=True),',
        )
    ],
    "``history``": [
        _behind(
            "watcher_objects/scoring_engine.py",
            "from watcher_objects.db import models",
            "\nfrom watcher_objects.history import Added",
        ),
        (
            "watcher_objects/scoring_engine.py",
            'VERSION = "1.0"',
            'VERSION = "1.1"; history = {"1.0": (), "1.1": (Added("contact"),)}',
        ),
    ],
    "``versions.RELEASES``": [
        _behind(
            "watcher_objects/versions.py", '"AuditTemplate": "1.2"', ', "ScoringEngine": "1.1"'
        )
    ],
    "``tests/data/watcher_versions.json``": [
        _behind(
            _VERSIONS,
            '"1.0": ["description", "id", "metainfo", "name", "uuid"]',
            ', "1.1": ["contact", "description", "id", "metainfo", "name", "uuid"]',
        ),
        (
            _VERSIONS,
            _NEWEST + '"Goal": "1.0", "ScoringEngine": "1.0"',
            _NEWEST + '"Goal": "1.0", "ScoringEngine": "1.1"',
        ),
    ],
    "``tests/inputs/fields.py``": [
        _behind("tests/inputs/fields.py", '"ScoringEngine": {', ' "contact": optional(text(63)),')
    ],
    FINGERPRINTS: [(trial.DUE, "", "")],
}
ENTITY = {
    "``db/models.py``": [(_MODELS, "\n\nstrategies = _table(", _MEMOS)],
    "``migrations/versions/``": _revision(
        _CREATE_MEMOS, 'drop_table("memos")', 'creates = ("memos",)'
    ),
    "``strategy.py``": [("watcher_objects/memo.py", "", _MEMO)],
    "``exception.py``": [
        ("watcher_objects/exception.py", "class GoalNotFound(ResourceNotFound):", _ERRORS)
    ],
    "``watcher_objects/__init__.py``": [
        _behind(
            "watcher_objects/__init__.py",
            "from watcher_objects.goal import Goal",
            "\nfrom watcher_objects.memo import Memo",
        ),
        _behind("watcher_objects/__init__.py", '"Goal",', ' "Memo",'),
    ],
    "``versions.RELEASES``": [
        _behind("watcher_objects/versions.py", '"AuditTemplate": "1.2"', ', "Memo": "1.0"')
    ],
    "``cli/entity.py``": [
        _behind("watcher_objects/cli/entity.py", "    Goal,", " Memo,"),
        _behind(
            "watcher_objects/cli/entity.py", "KINDS = {", ' "memo": Kind(Memo, ("uuid", "name")),'
        ),
    ],
    "``docs/commands.rst``": [
        _behind("docs/commands.rst", "``goal list``,", " ``memo list``,"),
        _behind("docs/commands.rst", "``goal show``,", " ``memo show``,"),
    ],
    "``testing/factory.py``": [
        _behind("watcher_objects/testing/factory.py", "    Goal,", " Memo,"),
        ("watcher_objects/testing/factory.py", "    def goal(self", _MAKER),
    ],
    "drawing": [_behind("README.rst", "15  goal,", " memo,")],
    "``tests/test_floors.py``": [_behind("tests/test_floors.py", '{"goal",', ' "memo",')],
    "``tests/data/watcher_versions.json``": [
        _behind(
            _VERSIONS, '"fields": {', ' "Memo": {"1.0": ["description", "id", "name", "uuid"]},'
        ),
        _behind(_VERSIONS, _NEWEST, '"Memo": "1.0", '),
    ],
    "``tests/inputs/``": [
        _behind(
            "tests/inputs/fields.py",
            "\nFIELDS = {",
            ' "Memo": {"name": _NAME, "description": _WORDS},',
        ),
        _behind(
            "tests/inputs/calls.py",
            "NOT_FOUND = {",
            ' "Memo": (exception.MemoNotFound, "There is no memo {}"),',
        ),
        _behind("tests/inputs/calls.py", 'NAMES |= {"EfficacyIndicator": 63,', ' "Memo": 63,'),
    ],
    FINGERPRINTS: [(trial.DUE, "", "")],
}
