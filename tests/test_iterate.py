# SPDX-License-Identifier: Apache-2.0
"""Audit.iterate: any number of objects, a batch at a time."""

import tracemalloc

import pytest
from oslo_utils import uuidutils

from tests import factory
from watcher_objects import Audit


@pytest.fixture
def audits(sqlite, context):
    one = factory.built(Audit, context)
    made = []
    for number in range(25):
        made.append(one.obj_clone())
        made[-1].uuid = uuidutils.generate_uuid()
        made[-1].name, made[-1].hostname = f"audit-{number}", f"host-{number % 3}"
    Audit.create_many(context, made)
    return made


def test_all_are_yielded_in_the_order_of_a_list(audits, context):
    order = {"sort_key": "hostname", "sort_dir": "desc", "filters": {"hostname__neq": "host-1"}}
    listed = [audit.id for audit in Audit.list(context, **order)]
    for batch in (1, 4, 5, 25, 26, 1000):
        assert [audit.id for audit in Audit.iterate(context, batch, **order)] == listed


def test_a_batch_is_one_statement(audits, context, statements):
    assert len(list(Audit.iterate(context, 10))) == 25
    assert len(statements) == 3


def test_what_the_caller_does_to_an_object_loses_no_other(audits, context):
    seen = []
    for audit in Audit.iterate(context, 5, sort_key="name"):
        seen.append(audit.id)
        audit.name = f"zz-{audit.id}"
    assert sorted(seen) == [audit.id for audit in audits]


def test_memory_does_not_grow_with_the_number(sqlite, context):
    one = factory.built(Audit, context)

    def peak_of(number):
        more = [one.obj_clone() for _ in range(number)]
        for audit in more:
            audit.uuid = uuidutils.generate_uuid()
            audit.name = audit.uuid
        Audit.create_many(context, more)
        del more
        tracemalloc.start()
        for _ in Audit.iterate(context, 100):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_of(300)
    assert peak_of(700) < 1.2 * peak_of(1) + 50_000
