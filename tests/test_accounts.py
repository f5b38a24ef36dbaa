# SPDX-License-Identifier: Apache-2.0
"""The accounts that docs/install.rst makes may do what they must, and no more."""

import re
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import conftest, documents, factory, population, reader, servers
from watcher_objects import db, exception
from watcher_objects.db import migration, requests

SQL = [b.text for b in reader.blocks(documents.page("install")) if b.kind == "sql"]
SET_UP = {"postgresql": SQL[:2], "mariadb": SQL[2:3]}


@pytest.fixture(params=servers.SERVERS)
def accounts(request):
    """The URLs of a new database for the two accounts that the page makes, by other names."""
    name, server = f"{servers.SCRATCH}_docs", sa.make_url(servers.SERVERS[request.param])
    place = server
    try:
        for block in SET_UP[request.param]:
            with closing(servers.admin(place).connect()) as connection:
                for statement in block.rstrip(";").split(";\n"):
                    told = re.sub(r"\bwatcher(_upgrades)?\b", rf"{name}\1", statement)
                    connection.exec_driver_sql(told.replace("%", "%%"))
            place = server.set(database=name)
        yield [
            server.set(database=name, username=account, password="secret")
            for account in (f"{name}_upgrades", name)
        ]
    finally:
        db.dispose()
        with closing(servers.admin(server).connect()) as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
            for account in (name, f"{name}_upgrades"):
                connection.exec_driver_sql(f"DROP USER {account}")


def test_the_accounts_that_the_page_makes_may_do_what_they_must_and_no_more(accounts, context):
    upgrades, services = accounts
    db.configure(upgrades)
    migration.upgrade("f56ba02662b4")
    for table in population.tables():
        population.fill(table, [1])
    migration.upgrade()
    conftest.clean()
    db.configure(services)
    assert migration.check() == []
    for cls in factory.CLASSES:
        obj = factory.stored(cls, context, id=7)
        obj.refresh()
        obj.save()
    for cls in reversed(factory.CLASSES):
        for obj in cls.list(context):
            obj.destroy()
    assert requests.once("a" * 36, lambda: "answer") == "answer"
    with pytest.raises(exception.DatabaseError):
        migration.downgrade("base")
