# SPDX-License-Identifier: Apache-2.0
"""How many statements each verb of each class sends, BEGIN and COMMIT apart."""

import pytest

from tests import factory
from tests.test_contract import deletable, text_field
from watcher_objects import ActionPlan

# On MariaDB, which has no UPDATE ... RETURNING, the row is read behind the UPDATE.
READS_AGAIN = {"save", "soft_delete"}
# A plan is locked, and read is what goes with it; that there is nothing here saves the writes.
OWNED = 3


@pytest.fixture(params=factory.CLASSES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


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
    return lambda: cls.list(context, eager=True, limit=4, sort_key="created_at")


def list_page(cls, context):
    first, *_ = [factory.stored(cls, context) for _ in range(3)]
    return lambda: cls.list(context, marker=first)


def refresh(cls, context):
    return factory.stored(cls, context).refresh


def save(cls, context):
    obj = factory.stored(cls, context)
    setattr(obj, text_field(cls), "changed")
    return obj.save


def soft_delete(cls, context):
    return deletable(factory.stored(cls, context)).soft_delete


def destroy(cls, context):
    return factory.stored(cls, context).destroy


VERBS = (create, create_many, get, list_, list_page, refresh, save, soft_delete, destroy)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__.strip("_"))
def test_a_verb_sends_one_statement(cls, verb, database, context, statements):
    call = verb(cls, context)
    statements.clear()
    call()
    expected = 2 if database == "mysql" and verb.__name__ in READS_AGAIN else 1
    if cls is ActionPlan and verb in (soft_delete, destroy):
        expected += OWNED
    assert len(statements) == expected, statements
