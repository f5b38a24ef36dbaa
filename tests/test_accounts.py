# SPDX-License-Identifier: Apache-2.0
"""The accounts that docs/install.rst makes may do what they must, and no more."""

import re
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import conftest, documents, factory, population, reader, servers
from watcher_objects import db, exception
from watcher_objects.db import migration, requests

_KINDS = ("sql", "postgresql")
SQL = [b.text for b in reader.blocks(documents.page("install")) if b.kind in _KINDS]
NEW, SCHEMA, EXISTING, OF_A_SUPERUSER, NEW_MARIADB, EXISTING_MARIADB = SQL
#: What makes a database, as Watcher's deployments do, whose tables belong to the services or not.
OWNED = """CREATE ROLE watcher LOGIN PASSWORD 'secret';
CREATE DATABASE watcher OWNER watcher"""
SHARED = """CREATE ROLE watcher LOGIN PASSWORD 'secret';
CREATE DATABASE watcher"""
ALL = """CREATE DATABASE watcher;
CREATE USER watcher@'%' IDENTIFIED BY 'secret';
GRANT ALL PRIVILEGES ON watcher.* TO watcher@'%'"""
#: The server, what is run before there are tables, who makes those of Watcher, what is run then.
WAYS = {
    "postgresql": ("postgresql", [NEW, SCHEMA], "nobody", []),
    "postgresql of the services": ("postgresql", [OWNED], "services", [EXISTING, SCHEMA]),
    "postgresql of a superuser": (
        *("postgresql", [SHARED], "administrator"),
        [EXISTING, OF_A_SUPERUSER, SCHEMA],
    ),
    "mariadb": ("mariadb", [NEW_MARIADB], "nobody", []),
    "mariadb of the services": ("mariadb", [ALL], "services", [EXISTING_MARIADB]),
}
NAME = f"{servers.SCRATCH}_docs"


def run(place, block):
    """Run a block of statements as the administrator, with our names for the accounts."""
    statements = [block] if block.startswith("DO ") else block.rstrip(";").split(";\n")
    with closing(servers.admin(place).connect()) as connection:
        for statement in statements:
            renamed = re.sub(r"\bwatcher(_upgrades)?\b", rf"{NAME}\1", statement)
            connection.exec_driver_sql(renamed.replace("%", "%%"))


@pytest.fixture(params=WAYS)
def accounts(request):
    """The URLs of a database for the two accounts that the page makes, by other names."""
    kind, before, owner, after = WAYS[request.param]
    servers.require(kind)
    server = sa.make_url(servers.SERVERS[kind])
    place = server
    try:
        for block in before:
            run(place, block)
            place = server.set(database=NAME)
        upgrades, services = (
            place.set(username=account, password="secret")
            for account in (f"{NAME}_upgrades", NAME)
        )
        if owner != "nobody":
            db.configure(services if owner == "services" else place)
            migration.upgrade(population.FOREIGN_HEAD)
            db.dispose()
        for block in after:
            run(place, block)
        yield upgrades, services
    finally:
        db.dispose()
        with closing(servers.admin(server).connect()) as connection:
            connection.exec_driver_sql(f"DROP DATABASE {NAME}")
            for account in (NAME, f"{NAME}_upgrades"):
                connection.exec_driver_sql(f"DROP USER {account}")


def test_the_accounts_that_the_page_makes_may_do_what_they_must_and_no_more(accounts, context):
    upgrades, services = accounts
    db.configure(upgrades)
    population.filled(numbers=[1])
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
    assert requests.execute_once("a" * 36, lambda: "answer") == "answer"
    with pytest.raises(exception.DatabaseError):
        migration.downgrade("base")
