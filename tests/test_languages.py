# SPDX-License-Identifier: Apache-2.0
"""Servers that speak another language than English: errors are recognised by their codes."""

from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import factory, servers
from tests.chaos import instances
from watcher_objects import Audit, Goal, db, exception
from watcher_objects.db import purge
from watcher_objects.testing import database as databases
from watcher_objects.testing.database import upgraded

FOREIGN_TABLE = (
    "CREATE TABLE notes (audit_id INTEGER NOT NULL, FOREIGN KEY (audit_id) REFERENCES audits (id))"
)


@pytest.fixture(scope="module")
def german():
    """The URL of our schema on a PostgreSQL that speaks German."""
    with instances.shelter() as folder:
        server = instances.Postgresql(folder / "own", "lc_messages=C.UTF-8")
        try:
            server.start(language="de")
            with closing(servers.admin(server.url).connect()) as connection:
                with pytest.raises(sa.exc.DBAPIError) as raised:
                    connection.exec_driver_sql("SELECT 1/0")
                if "division by zero" in str(raised.value):
                    servers.missing("PostgreSQL has no German texts here")
            yield upgraded(server.url)
        finally:
            server.kill()


@pytest.fixture(params=["postgresql", "de_DE", "ja_JP"])
def speaking(request):
    """The URL of a configured database on a server, or for an account, of that language."""
    if request.param == "postgresql":
        where, arguments = request.getfixturevalue("german"), {}
    else:
        where = upgraded(request.getfixturevalue("database_urls")("mariadb"))
        arguments = {"init_command": f"SET SESSION lc_messages = '{request.param}'"}
    with databases.emptied(where):
        db.configure(where, connect_args=arguments)
        yield where


def renamed(context, goal, audit):
    other = factory.stored(Audit, context, goal_id=goal.id)
    other.name = audit.name
    other.save()


def one_of_many(context, goal, audit):
    names = ["first", audit.name]
    Audit.create_many(context, [factory.built(Audit, context, name=name) for name in names])


def stored(cls, **given):
    return lambda context, goal, audit: factory.stored(
        cls, context, **{name: value(goal, audit) for name, value in given.items()}
    )


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (stored(Audit, name=lambda _, audit: audit.name), exception.AuditAlreadyExists, "name"),
        (renamed, exception.AuditAlreadyExists, "name"),
        (one_of_many, exception.AuditAlreadyExists, "name"),
        (stored(Goal, uuid=lambda goal, _: goal.uuid), exception.GoalAlreadyExists, "uuid"),
        (stored(Audit, goal_id=lambda *_: 10**6), exception.GoalNotFound, "1000000"),
        (lambda context, goal, _: goal.destroy(), exception.Referenced, "refer"),
    ],
)
def test_errors_are_those_of_an_english_server(speaking, context, call, error, names, caplog):
    goal = factory.stored(Goal, context)
    audit = factory.stored(Audit, context, goal_id=goal.id)
    with pytest.raises(error, match=names):
        call(context, goal, audit)
    assert audit.name not in caplog.text
    assert goal.uuid not in caplog.text
    assert Audit.get(context, audit.id) == audit


def test_a_purge_keeps_what_a_foreign_table_refers_to(speaking, context):
    audits = [factory.stored(Audit, context) for _ in range(2)]
    with closing(servers.admin(speaking).connect()) as connection:
        connection.exec_driver_sql(FOREIGN_TABLE)
        connection.exec_driver_sql(f"INSERT INTO notes VALUES ({audits[0].id})")
        try:
            for audit in audits:
                audit.state = "CANCELLED"
                audit.save()
                audit.soft_delete()
            purge.remove(purge.Selection(0, types=["audits"]))
            context.show_deleted = True
            left = [audit.id for audit in Audit.list(context)]
            assert audits[0].id in left
            assert audits[1].id not in left
        finally:
            connection.exec_driver_sql("DROP TABLE notes")
