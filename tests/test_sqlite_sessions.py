# SPDX-License-Identifier: Apache-2.0
"""What a connection to SQLite is set up to, whatever a file or a caller has set."""

import sqlite3
import sys
from contextlib import closing

import pytest

from tests import roundtrip
from watcher_objects import Goal, db, exception
from watcher_objects.db import migration


class Altered(sqlite3.Connection):
    """A connection that a program has set up for itself."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.row_factory, self.text_factory = sqlite3.Row, bytes
        for name in ("reverse_unordered_selects", "case_sensitive_like", "full_column_names"):
            self.execute(f"PRAGMA {name} = ON")
        self.execute("PRAGMA foreign_keys = OFF")
        self.execute("PRAGMA journal_mode = MEMORY")
        self.execute("BEGIN")


ARGUMENTS = [
    {"cached_statements": 0},
    {"check_same_thread": True},
    {"detect_types": sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES},
    {"factory": Altered},
    {"isolation_level": "EXCLUSIVE"},
    {"uri": True},
]
if sys.version_info >= (3, 12):
    ARGUMENTS += [{"autocommit": True}, {"autocommit": False}]


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "audits.sqlite"
    db.dispose()


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: next(iter(arguments)))
def test_arguments_of_the_driver_change_no_answer(url, database, context, monkeypatch, arguments):
    for name in ("DATETIME", "TEXT", "VARCHAR"):
        monkeypatch.setitem(sqlite3.converters, name, lambda stored: stored)
    db.configure(url, connect_args=arguments)
    assert roundtrip.answers(context, url) == roundtrip.EXPECTED
    assert migration.check() == []


def test_a_connection_that_a_program_has_altered_runs_migrations(path):
    db.configure(f"sqlite:///{path}", connect_args={"factory": Altered})
    migration.upgrade()
    assert migration.check() == []
    migration.downgrade("base")


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_a_file_in_another_encoding_is_refused(path, context, encoding):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE it_is_fixed_from_here_on (id INTEGER)")
    db.configure(f"sqlite:///{path}")
    for call in (lambda: Goal.list(context), migration.upgrade, migration.check):
        with pytest.raises(exception.DatabaseError, match="encoding of the file must be UTF-8"):
            call()


def test_a_file_that_is_not_a_database_is_refused_at_once(path, context):
    path.write_bytes(b"something else " * 1000)
    db.configure(f"sqlite:///{path}", retry_for=5)
    with pytest.raises(exception.DatabaseError, match="SQLITE_NOTADB") as caught:
        Goal.list(context)
    assert not isinstance(caught.value, exception.DatabaseUnavailable)
