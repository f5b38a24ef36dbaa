# SPDX-License-Identifier: Apache-2.0
"""The tables that ``create_schema`` of each release of Watcher makes, as data."""

import sqlalchemy as sa

from tests.population import FOREIGN_HEAD, run
from watcher_objects import db

#: The releases whose tables differ from those before, and the revision that each one stamps.
REVISIONS = {
    "1.0": "001",
    "1.2": "0f6042416884",
    "1.3": "d098df6021e2",
    "1.4": "d09a5945e4a0",
    "1.6": "3cfc94cecf4e",
    "1.7": "a86240e89a29",
    "1.11": "52804f2498c4",
    "1.12": "52804f2498c4",
    "2.0": "4b16194c56bc",
    "3.0": "609bec748f2a",
    "15.0": "7150a7d8f228",
    "17.0": FOREIGN_HEAD,
}
_RELEASES = [*REVISIONS]

# Each column: its name, its kind or the length of its text, ? if it may be NULL, the release that
# has it first after @, and the first that lacks it again after <.
_COMMON = "created_at:time? updated_at:time? deleted_at:time? deleted:int?"
_TABLES = {
    "goals": "id:key uuid:36? name:63 display_name:63 efficacy_specification:text",
    "strategies": "id:key uuid:36? name:63 display_name:63 goal_id:goals parameters_spec:text?",
    "audit_templates": "id:key uuid:36? name:63? description:255? goal_id:goals"
    " strategy_id:strategies? scope:text? default_parameters:text?@17.0",
    "audits": "id:key uuid:36? name:63?@1.6 audit_type:20? state:20? parameters:text?"
    " interval:int?<1.3 interval:36?@1.3 goal_id:goals strategy_id:strategies? scope:text?"
    " auto_trigger:bool next_run_time:time?@1.3 hostname:255?@1.11 start_time:time?@2.0"
    " end_time:time?@2.0 force:bool@3.0 status_message:255?@15.0",
    "action_plans": "id:key uuid:36? audit_id:audits strategy_id:strategies state:20?"
    " global_efficacy:text? hostname:255?@1.11 status_message:255?@15.0",
    "actions": "id:key uuid:36 action_plan_id:action_plans action_type:255 input_parameters:text?"
    " state:20? parents:text? status_message:255?@15.0",
    "efficacy_indicators": "id:key uuid:36? name:63? description:255? unit:63? value:numeric?"
    " data:float?@15.0 action_plan_id:action_plans",
    "scoring_engines": "id:key uuid:36 name:63 description:255? metainfo:text?",
    "services": "id:key name:255 host:255 last_seen_up:time?",
    "action_descriptions@1.4": "id:key action_type:255 description:255",
    "apscheduler_jobs@1.12": "id:191 next_run_time:float25? job_state:blob tag:text?"
    " service_id:services",
}
_KINDS = {
    "time": sa.DateTime(),
    "int": sa.Integer(),
    "key": sa.Integer(),
    "text": sa.Text(),
    "numeric": sa.Numeric(),
    "float": sa.Float(),
    "float25": sa.Float(25),
    "blob": sa.LargeBinary(),
}
_KEYS = {
    "goals": "uuid name,deleted",
    "strategies": "uuid name,deleted",
    "audit_templates": "uuid name,deleted",
    "audits": "uuid name,deleted@1.6",
    "action_plans": "uuid",
    "actions": "uuid",
    "efficacy_indicators": "uuid",
    "scoring_engines": "uuid name,deleted",
    "services": "host,name,deleted",
    "action_descriptions": "action_type",
    "apscheduler_jobs": "id",
}
_NAMES = {
    "services": "uniq_services0host0name0deleted",
    "action_descriptions": "uniq_action_description0action_type",
}


def _has(release, word):
    """Return whether a release has what a word says, and the word without its releases."""
    word, _, end = word.partition("<")
    word, _, start = word.partition("@")
    place = _RELEASES.index
    is_there = not start or place(start) <= place(release)
    return word, is_there and (not end or place(release) < place(end))


def _column(word, release):
    name, kind = word.split(":")
    is_null, kind = kind.endswith("?"), kind.rstrip("?")
    if kind.isdecimal():
        made = sa.String(int(kind))
    elif kind == "bool":
        # SQLAlchemy 1.3 and before made a check of it where there is no such type.
        made = sa.Boolean(create_constraint=_RELEASES.index(release) < _RELEASES.index("15.0"))
    else:
        made = _KINDS.get(kind) or sa.Integer()
    keys = (
        [] if kind in _KINDS or not isinstance(made, sa.Integer) else [sa.ForeignKey(f"{kind}.id")]
    )
    is_key = name == "id"
    return sa.Column(
        name, made, *keys, nullable=is_null, primary_key=is_key, index=kind == "float25"
    )


def _present(release, words):
    found = (_has(release, word) for word in words.split())
    return [word for word, is_there in found if is_there]


def metadata(release, **options):
    """Return the tables of a release; options are of each table."""
    made = sa.MetaData()
    for spec, words in _TABLES.items():
        name, is_there = _has(release, spec)
        if is_there:
            columns = [_column(word, release) for word in _present(release, f"{_COMMON} {words}")]
            keys = [key.split(",") for key in _present(release, _KEYS[name])]
            named = [
                sa.UniqueConstraint(*key, name=_NAMES.get(name, f"uniq_{name}0{key[0]}"))
                for key in keys
            ]
            sa.Table(name, made, *columns, *named, **options)
    return made


def create(release, **options):
    """Make the tables of a release in the configured database, and stamp them."""
    metadata(release, **options).create_all(db.get_engine())
    run(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    run(sa.text(f"INSERT INTO alembic_version VALUES ('{REVISIONS[release]}')"))
