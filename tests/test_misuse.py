# SPDX-License-Identifier: Apache-2.0
"""Schemas that can't or must not be moved: every call says why, and changes nothing."""

import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from tests.population import FOREIGN_HEAD, run
from tests.servers import CANARY, account
from watcher_objects import db, exception
from watcher_objects.db import migration

TO = {
    "upgrade": migration.upgrade,
    "downgrade": migration.downgrade,
    "stamp": migration.stamp,
    "plan": migration.plan,
    "plan down": lambda revision: migration.plan(revision, down=True),
    "sql": migration.sql,
    "sql down": lambda revision: migration.sql(revision, down=True),
}
#: What a database of another program says that it is at, and what we say of that.
STRANGERS = {
    None: "no revision, and tables that are not ours: goals_of_life, users",
    "": "no revision, and tables that are not ours: goals_of_life, users",
    "001": "at revision 001 there are tables that are missing here: action_plans, actions, ",
    "abc": "revision abc is of a newer release, or of another program",
    "abc,def": "revision abc, def is of a newer release, or of another program",
}


def schema():
    """All that can be seen of the tables, and what is in them."""
    metadata = sa.MetaData()
    metadata.reflect(engine := db.get_engine())
    return {
        name: (str(CreateTable(table).compile(engine)), run(sa.select(table)))
        for name, table in metadata.tables.items()
    }


@pytest.fixture(params=STRANGERS, ids=repr)
def strange(empty_database, request):
    """What is wrong with a database of another program, which is configured."""
    for table in ("users", "goals_of_life"):
        run(sa.text(f"CREATE TABLE {table} (id INTEGER)"))
    if request.param is not None:
        run(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        for revision in filter(None, request.param.split(",")):
            run(sa.text(f"INSERT INTO alembic_version VALUES ('{revision}')"))
    return STRANGERS[request.param]


def test_a_database_of_another_program_is_left_alone(strange):
    before = schema()
    for call in TO.values():
        for revision in ("head", "base", "001"):
            with pytest.raises(exception.InvalidRevision, match=strange):
                call(revision)
    assert strange in migration.check()[0].what
    assert schema() == before


def test_a_revision_is_not_stamped_where_its_tables_are_missing(empty_database):
    with pytest.raises(exception.InvalidRevision, match="missing here: action_descriptions, "):
        migration.stamp("head")
    migration.upgrade("0f6042416884")
    with pytest.raises(
        exception.InvalidRevision, match=r"here: action_descriptions, .*transitions, workers;"
    ):
        migration.stamp("head")
    assert migration.version() == "0f6042416884"


def test_an_interrupted_downgrade_can_be_run_again_and_an_upgrade_waits_for_it(
    empty_database,
):
    migration.upgrade("001")
    run(sa.text("DROP TABLE efficacy_indicators"))
    with pytest.raises(exception.InvalidRevision, match="missing here: efficacy_indicators;"):
        migration.upgrade()
    migration.downgrade("base")
    migration.upgrade("001")
    assert "efficacy_indicators" in schema()


def refused(calls):
    """Return what those of the calls say that the account may not."""
    found = []
    for call in calls:
        try:
            call()
        except exception.DatabaseError as error:
            found.append(str(error))
    return [words for words in found if "the account may not do this" in words]


def moves():
    calls = {"upgrade": "head", "downgrade": "base", "stamp": "001"}
    return [lambda name=name, to=to: TO[name](to) for name, to in calls.items()]


def test_an_account_that_may_only_read_gets_an_error_and_changes_nothing(empty_database):
    if empty_database.startswith("sqlite"):
        return  # it has no accounts; whose the file is, is asked below
    migration.upgrade(FOREIGN_HEAD)
    run(sa.text("INSERT INTO services (name, host, deleted) VALUES ('a', 'b', 0)"))
    before = schema()
    with account(empty_database) as limited:
        db.configure(limited)
        found = refused(moves())
        assert (len(found), CANARY in str(found)) == (3, False)
        assert migration.plan()[0].revision == "0001_repair_schema"
        assert migration.check()[0].what.startswith(f"revision {FOREIGN_HEAD} is older")
        db.configure(empty_database)
    assert schema() == before


@pytest.fixture
def public():
    """A folder that every account may read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def move_as_nobody():
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    os._exit(len(refused(moves())))


@pytest.mark.filterwarnings("ignore:Using fork:DeprecationWarning")
@pytest.mark.parametrize("folder_too", [False, True])
def test_a_read_only_file_is_reported(public, folder_too):
    path = public / "audits.sqlite"
    db.configure(f"sqlite:///{path}")
    migration.upgrade(FOREIGN_HEAD)
    before = schema()
    db.dispose()
    path.chmod(0o444)
    public.chmod(0o555 if folder_too else 0o777)
    db.configure(f"sqlite:///{path}")
    child = multiprocessing.get_context("fork").Process(target=move_as_nobody)
    child.start()
    child.join(60)
    assert child.exitcode == 3
    assert schema() == before
    db.dispose()
