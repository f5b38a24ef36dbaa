# SPDX-License-Identifier: Apache-2.0
"""Everything that fails next to a secret, with every log and every error printed in full.

It runs in a process of its own.
"""

import json
import logging
import os
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager

import sqlalchemy as sa
from oslo_context.context import RequestContext

from tests import factory, locks
from tests.servers import CANARY, UNREACHABLE
from watcher_objects import ActionPlan, Audit, db, events, exception
from watcher_objects.cli.app import main as command
from watcher_objects.db import migration, models, transactions
from watcher_objects.db.backend import database as backend
from watcher_objects.rpc import client, wire

#: The names of the errors' classes, and of the calls that raised none.
FAILED: list[str] = []
NOT_FAILED: list[str] = []
SECRET = {"password": CANARY}
CONTEXT = RequestContext(auth_token=CANARY, user_id="u")
UNUSABLE = (
    f"oracle://u:{CANARY}@h/d",
    f"postgresql+psycopg2://u:{CANARY}@h/d",
    f"mysql://u:{CANARY}@h:port/d",
    f"mysql://u:a@{CANARY}@h/d",
    f"sqlite:///file:a?uri=true&key={CANARY}",
    f"{CANARY}",
    [CANARY],
)
BAD_PARAMETERS = (
    {**SECRET, "x": b""},
    {**SECRET, "x": float("nan")},
    {**SECRET, 1: 2},
    {CANARY: {CANARY}},
    {"x": CANARY * 500_000},
    [SECRET],
    f"{{{CANARY}",
    f'{{"{CANARY}": 1, "{CANARY}": 2}}',
    (CANARY,),
    CANARY.encode(),
)
# What is raised that is not of this library.
OTHERS = {"ObjectActionError", "IncompatibleObjectVersion", "RuntimeError"}
# Values that are neither an identity nor a name, nor a filter's value or a key to sort by.
NOT_SCALAR = (SECRET, [CANARY], (CANARY,), {CANARY}, CANARY.encode(), Exception(CANARY))


def attempt(call, *arguments, **named):
    """Call what has to fail, and print all that a log could contain of its error."""
    try:
        call(*arguments, **named)
    except Exception as error:
        traceback.print_exception(error)
        show(error)
        FAILED.append(type(error).__name__)
    else:
        NOT_FAILED.append(f"{call.__qualname__} {sorted(named)}")


def show(error):
    """Print an error, and those that ``from None`` hides from tracebacks."""
    while error is not None:
        print(repr(error), str(error), [repr(arg) for arg in error.args], file=sys.stderr)
        if error.__cause__ not in (None, error.__context__):
            show(error.__cause__)
        error = error.__context__


def audit(**given):
    return factory.stored(Audit, CONTEXT, parameters=SECRET, **given)


def change(stored, parameters):
    stored.parameters = parameters
    stored.save()


def bad_values():
    stored = audit()
    for parameters in BAD_PARAMETERS:
        attempt(lambda value=parameters: factory.stored(Audit, CONTEXT, parameters=value))
        attempt(change, Audit.get(CONTEXT, stored.id), parameters)
    for value in NOT_SCALAR:
        attempt(Audit.get, CONTEXT, value)
        attempt(Audit.get_by_uuid, CONTEXT, value)
        attempt(Audit.get_by_name, CONTEXT, value)
        for named in ("marker", "sort_key", "sort_dir", "limit", "filters"):
            attempt(Audit.list, CONTEXT, **{named: value})
        for name in ("name", "name__in", "goal_id", "parameters", "created_at__gt"):
            attempt(Audit.list, CONTEXT, filters={name: [value]})
        attempt(Audit, CONTEXT, goal=value)
    attempt(Audit, CONTEXT, parametres=SECRET)
    attempt(audit, name="n" * 99)


def conflicts():
    first = audit()
    attempt(audit, name=first.name)
    attempt(audit, uuid=first.uuid)
    attempt(audit, goal_id=4711)
    twice = [factory.built(Audit, CONTEXT, parameters=SECRET, name="twice") for _ in range(2)]
    attempt(Audit.create_many, CONTEXT, twice)
    attempt(Audit.create_many, CONTEXT, [SECRET])
    attempt(first.create)
    factory.stored(ActionPlan, CONTEXT, audit_id=first.id, global_efficacy=[SECRET])
    attempt(first.destroy)
    for state in ("SUCCEEDED", "NONSENSE"):
        first.state = state
        attempt(first.save)
    attempt(first.soft_delete)
    attempt(setattr, first, "uuid", CANARY)


def primitives():
    primitive = audit(interval="* * * * *").obj_to_primitive()
    data = primitive["watcher_object.data"]
    attempt(Audit.obj_from_primitive, SECRET)
    attempt(Audit.obj_from_primitive, [CANARY])
    for name in data.keys() - {"goal", "strategy", "name"}:
        bad = {**primitive, "watcher_object.data": {**data, name: {"x": (CANARY,)}}}
        if name not in ("parameters", "scope"):
            attempt(Audit.obj_from_primitive, bad, CONTEXT)
    attempt(audit(interval="* * * * *").obj_to_primitive, target_version="1.0")
    attempt(Audit.obj_from_primitive, {**primitive, "watcher_object.version": "9.9"})


def rollbacks():
    def fail():
        with db.transaction():
            audit()
            raise RuntimeError("the caller's")

    def spoil():
        with db.transaction():
            first = audit()
            attempt(audit, uuid=first.uuid)
            attempt(audit)

    def answer(event):
        repr(event.obj)
        raise RuntimeError("the listener's")

    attempt(fail)
    attempt(spoil)
    end = events.subscribe(answer)
    audit()
    end()


@contextmanager
def changed(admin, there, back):
    """Change the schema for a while, so that the database itself refuses."""
    with admin.connect() as connection:
        connection.exec_driver_sql(there)
    try:
        yield
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(back)


def refused_by_the_database(admin):
    stored = audit()
    stored.parameters = {**SECRET, "more": CANARY}
    table = "ALTER TABLE audits"
    with changed(
        admin, f"{table} RENAME COLUMN parameters TO x", f"{table} RENAME COLUMN x TO parameters"
    ):
        attempt(stored.save)
        attempt(audit)
        attempt(Audit.get, CONTEXT, stored.id)
        new = [factory.built(Audit, CONTEXT, parameters=SECRET) for _ in range(2)]
        attempt(Audit.create_many, CONTEXT, new)
    if admin.dialect.name == "postgresql":
        rule = "ADD CONSTRAINT x CHECK (length(parameters) < 5) NOT VALID"
        with changed(admin, f"{table} {rule}", f"{table} DROP CONSTRAINT x"):
            # Of a row that breaks a rule it reports every value.
            attempt(stored.save)
    with admin.connect() as connection:
        broken = models.audits.update().where(models.audits.c.id == stored.id)
        connection.execute(broken.values(parameters=f'{{"{CANARY}'))
        attempt(lambda: Audit.get(CONTEXT, stored.id).parameters)
        connection.execute(broken.values(parameters=json.dumps(SECRET), name=None))
        attempt(Audit.list, CONTEXT)
        connection.execute(broken.values(name=stored.name))


def locked(admin, then):
    """Write a row that another has locked, while something happens."""
    stored = audit()
    stored.parameters = {**SECRET, "more": CANARY}
    thread = threading.Thread(target=then, daemon=True)
    with locks.held(stored, CONTEXT, hostname="held"):
        thread.start()
        attempt(stored.save)
    thread.join(20)


KILL = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
    "pg_backend_pid() AND datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = database() "
    "AND info LIKE 'UPDATE%%'",
}


def killed(admin):
    """End the connection that waits for a lock."""
    for _ in range(50):
        with admin.connect() as connection:
            found = connection.exec_driver_sql(KILL[admin.dialect.name]).fetchall()
            if found and admin.dialect.name == "mysql":
                connection.exec_driver_sql(f"KILL {found[0][0]}")
            if found:
                return
        threading.Event().wait(0.1)


def unreachable(url):
    for bad in UNUSABLE:
        attempt(db.configure, bad)
    for options in ({"poolclass": CANARY}, {"pool_size": CANARY}, {CANARY.upper(): 1}):
        attempt(db.configure, "sqlite://", **options)
    for away in (*UNREACHABLE, *url):
        for options in ({}, {"connect_args": {"bogus": CANARY}}):
            db.configure(away, retry_for=0, **options)
            repr(db.get_engine())
            print(db.get_engine(), repr(db.get_engine().url), db.get_engine().pool)
            attempt(audit)
            attempt(db.transaction().__enter__)
            attempt(migration.upgrade)


def commands(url):
    """Run the command line with usable and unusable URLs."""
    for place in (url, *UNREACHABLE, UNUSABLE[0]):
        for words in (
            ["--debug", "audit", "list"],
            ["--debug", "db", "check"],
            ["audit", "show", "nobody"],
        ):
            print(command(["--database", place, *words]))


def over_rpc():
    """Call a server without a broker, and with URLs that cannot be used."""
    print(wire.encode_context(CONTEXT))
    for broker in (f"rabbit://u:{CANARY}@127.0.0.1:1/", f"rabbit://u:{CANARY}@h:port/", CANARY):
        attempt(lambda place=broker: ask(place))
    client.disable()


def ask(broker):
    client.enable(broker, timeout=1)
    Audit.list(CONTEXT, filters={"name": CANARY})


def run(owner, url, **options):
    admin = sa.create_engine(
        owner, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, hide_parameters=True
    )
    db.configure(url, retry_for=0, **options)
    stored = audit()
    print(stored, repr(stored), [stored], db.get_engine(), db.get_engine().pool, db.transaction())
    for scene in (bad_values, conflicts, primitives, rollbacks):
        scene()
    refused_by_the_database(admin)
    backend.LOCK_TIMEOUT = 1
    db.configure(url, retry_for=0, **options)
    locked(admin, lambda: None)
    if admin.dialect.name in KILL:
        backend.LOCK_TIMEOUT = 30
        db.configure(url, retry_for=0, **options)
        locked(admin, lambda: killed(admin))
    transactions.execute(sa.text("SELECT 1"))
    db.dispose()


def main(owner, url, output):
    """Run everything on a database with our schema, and write all output to a file.

    :param owner: the URL of an account that may change the schema
    """
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    warnings.simplefilter("always")
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    # It keeps its own at warnings, unless they are configured.
    logging.getLogger("sqlalchemy").setLevel(logging.DEBUG)
    run(owner, url, echo="debug")
    commands(url)
    over_rpc()
    place = sa.make_url(url)
    is_server = place.get_backend_name() != "sqlite"
    # With a wrong password, and where the server asks for none, without its database.
    unreachable([place.set(password=f"{CANARY}x", database="nowhere")] if is_server else [])
    unknown = {*FAILED} - {*vars(exception)} - OTHERS
    sys.stderr.flush()
    print(f"\n{json.dumps([len(FAILED), NOT_FAILED, sorted(unknown)])}", flush=True)
