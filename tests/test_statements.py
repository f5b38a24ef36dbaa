# SPDX-License-Identifier: Apache-2.0
"""How many statements each verb of each class sends, BEGIN and COMMIT apart."""

import time
from contextlib import closing

import pytest
from oslo_utils import uuidutils

from tests import factory, wire
from tests.test_contract import deletable, text_field
from watcher_objects import ActionPlan, Audit, exception
from watcher_objects.db.backend import database as backend

# On MariaDB, which has no UPDATE ... RETURNING, the row is read after the UPDATE.
READS_AGAIN = {"save", "soft_delete"}
# A plan is locked, and read is what goes with it; that there is nothing here saves the writes.
# On PostgreSQL, where a policy may hide rows from a lock, those are counted.
OWNED = {"sqlite": 3, "mysql": 3, "postgresql": 5}


# What a transition sends in addition: SQLite and MariaDB record it in a statement of its own, and
# read again what they can't return. What is to be destroyed is locked first; on SQLite, a row may
# have got the id of one that is gone.
RECORDED = {
    "sqlite": {"create": 2, "create_many": 2, "soft_delete": 1, "destroy": 3},
    "mysql": {"create": 2, "create_many": 1, "soft_delete": 1, "destroy": 2},
    "postgresql": {"create_many": 1, "destroy": 3},
}


# Statements, round trips (on SQLite there are none; BEGIN and COMMIT are counted) and COMMITs for
# an audit; the others take one statement. A new connection asks MariaDB how large one may be.
ON_THE_WIRE = {
    "sqlite": {
        "create": (3, 5, 1),
        "create_many": (3, 5, 1),
        "list_eager": (3, 3, 0),
        "move": (2, 4, 1),
        "soft_delete": (2, 4, 1),
        "destroy": (4, 6, 1),
    },
    "mysql": {
        "create": (3, 1, 1),
        "create_many": (3, 5, 1),
        "list_eager": (3, 3, 0),
        "save": (2, 1, 1),
        "move": (3, 1, 1),
        "soft_delete": (3, 1, 1),
        "destroy": (3, 5, 1),
    },
    "postgresql": {
        "create_many": (2, 4, 1),
        "list_eager": (3, 3, 0),
        "destroy": (4, 6, 1),
    },
}


def create(cls, context):
    obj = factory.built(cls, context)
    return obj.create


def create_many(cls, context):
    objects = [factory.built(cls, context) for _ in range(50)]
    return lambda: cls.create_many(context, objects)


def get(cls, context):
    obj = factory.stored(cls, context)
    return lambda: cls.get(context, obj.id, eager=True)


def list_(cls, context):
    for _ in range(5):
        factory.stored(cls, context)
    return lambda: cls.list(context, limit=4, sort_key="created_at")


def list_eager(cls, context):
    list_(cls, context)
    return lambda: cls.list(context, eager=True, limit=4)


def list_page(cls, context):
    first, *_ = [factory.stored(cls, context) for _ in range(3)]
    return lambda: cls.list(context, marker=first)


def refresh(cls, context):
    return factory.stored(cls, context).refresh


def save(cls, context):
    obj = factory.stored(cls, context)
    setattr(obj, text_field(cls), "changed")
    return obj.save


def move(cls, context):
    obj = factory.stored(cls, context)
    obj.state = "ONGOING"
    return obj.save


def soft_delete(cls, context):
    return deletable(factory.stored(cls, context)).soft_delete


def destroy(cls, context):
    return factory.stored(cls, context).destroy


READS = (get, list_, list_eager, list_page, refresh)
VERBS = (create, create_many, *READS, save, soft_delete, destroy)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__.strip("_"))
def test_a_verb_sends_one_statement(verb, database, context, statements):
    for cls in factory.CLASSES:
        call = verb(cls, context)
        statements.clear()
        call()
        expected = 2 if database == "mysql" and verb.__name__ in READS_AGAIN else 1
        if verb is list_eager:
            expected += len(cls.object_fields)
        if cls.table.info["state_machine"]:
            expected += RECORDED[database].get(verb.__name__, 0)
        if cls is ActionPlan and verb in (soft_delete, destroy):
            # The lock is there already.
            expected += OWNED[database] - (verb is destroy)
        assert len(statements) == expected, (cls, statements)


@pytest.mark.parametrize("verb", [*VERBS, move], ids=lambda verb: verb.__name__.strip("_"))
def test_over_the_wire_goes_no_more_than_that(verb, database, context):
    call = verb(Audit, context)
    # Otherwise workers are notified if the last time was some milliseconds ago.
    backend.current().announced[Audit.table.name] = time.monotonic() + 3600
    with wire.counted(database) as traffic:
        call()
    assert traffic == [ON_THE_WIRE[database].get(verb.__name__, (1, 1, 0))]


def test_of_many_all_go_in_a_few(database, context):
    one = factory.built(Audit, context)
    audits = [one.obj_clone() for _ in range(1000)]
    for audit in audits:
        audit.uuid = audit.name = uuidutils.generate_uuid()
    with wire.counted(database) as traffic:
        Audit.create_many(context, audits)
    assert traffic[0].statements <= 4


def test_a_save_that_fails_leaves_nothing_open(database, context):
    taken, audit = factory.stored(Audit, context), factory.stored(Audit, context)
    audit.name = taken.name
    with pytest.raises(exception.AuditAlreadyExists):
        audit.save()
    # The only connection that was used; another's lock would wait for it.
    lent = backend.current().acquire()
    in_transaction = {
        "sqlite": lambda: lent.dbapi_connection.in_transaction,
        "postgresql": lambda: lent.dbapi_connection.info.transaction_status.name != "IDLE",
        "mysql": lambda: asked(lent, "SELECT @@in_transaction") == 1,
    }
    assert not in_transaction[database]()
    backend.current().release(lent)


def asked(lent, text):
    with closing(lent.cursor()) as cursor:
        cursor.execute(text)
        return cursor.fetchone()[0]
