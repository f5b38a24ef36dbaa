# SPDX-License-Identifier: Apache-2.0
"""Whatever comes gets a right answer or a typed refusal, soon, and the server goes on.

Message ``n`` of a run is the same for the same seed: ``WATCHER_OBJECTS_TEST_SEED``, which a
failure reports together with ``n``.
"""

import collections
import copy
import functools
import json
import os
import random
import time

import oslo_messaging
import pytest
import sqlalchemy as sa
from oslo_context.context import RequestContext
from oslo_versionedobjects import exception as ovo_exception

from tests import factory, messaging, mutations
from tests.chaos.tiers import LONG
from watcher_objects import base, db, exception
from watcher_objects.db import migration, models, transactions
from watcher_objects.rpc import caller, server, transport, wire

SEED = os.environ.get("WATCHER_OBJECTS_TEST_SEED") or (
    "1" if os.environ.get("CI") == "true" else str(random.SystemRandom().randrange(10**6))
)
PRIMITIVES, REQUESTS, SENT = (8_000, 8_000, 5_000) if LONG else (1_000, 1_000, 300)
#: CPU seconds that a message of less than 100 kB may take.
SOON = 0.05
TYPED = (exception.WatcherException, ovo_exception.VersionedObjectsException)
#: What only a fault here, or a database that is away, has the server say.
FAULTS = {"RemoteFailure", "DatabaseError", "DatabaseUnavailable", "WatcherException"}
TABLES = models.metadata.sorted_tables
OLDER = {"Audit": {"interval": "3600"}, "ActionPlan": {"global_efficacy": [{"energy": 0.5}]}}
WRITES = {"create", "save", "soft_delete"}

context = RequestContext(show_deleted=True)
serializer = base.WatcherObjectSerializer()


class Older(factory.Filled):
    """Makes objects that every older version can represent; relations lead to stored rows."""

    def build(self, cls, context=None, **given):
        return super().build(cls, context, **OLDER.get(cls.__name__, {}), **given)

    def create(self, cls, context=None, **given):
        self._owners[cls] = super().create(cls, context, **given)
        return self._owners[cls]


class Corpus:
    """Rows of every class, and good primitives and requests of them."""

    def __init__(self):
        older = Older(context)
        classes = sorted(factory.CLASSES, key=lambda cls: TABLES.index(cls.table))
        self.stored = [self._loaded(older.create(cls)) for cls in classes]
        self.new = [older.build(cls) for cls in factory.CLASSES]
        self.primitives = [
            plain(obj.obj_to_primitive(version))
            for obj in (*self.stored, *self.new)
            for version in obj.history
        ]
        self.requests = [plain(request) for request in self._requests()]
        self.rows = rows()

    def _loaded(self, obj):
        for name in obj.object_fields:
            getattr(obj, name)
        return obj

    def _requests(self):
        for primitive in self.primitives:
            yield "object_backport_versions", {"object": primitive}
        for obj in self.new:
            for version in obj.history:
                yield self._action("create", obj.obj_to_primitive(version))
        for obj in self.stored:
            alone = obj._without_relations()
            yield from self._of_a_class(type(obj), alone)
            for method in ("refresh", "soft_delete", "destroy"):
                yield self._action(method, alone.obj_to_primitive())
            for name in obj.fields.keys() & {"status_message", "description", "display_name"}:
                changed = {**alone.obj_to_primitive(), "watcher_object.changes": [name]}
                changed["watcher_object.data"][name] = "changed"
                yield self._action("save", changed)

    def _action(self, method, primitive, **kwargs):
        return "object_action", {"object": primitive, "method": method, "args": [], "kwargs": {}}

    def _of_a_class(self, cls, obj):
        found = {"id__in": [obj.id, 2], "created_at__gt": "2020-01-01T00:00:00Z"}
        page = {"limit": 2, "marker": obj.obj_to_primitive(), "filters": found, "sort_dir": "desc"}
        asked = {
            "get": ([obj.id], {"eager": True}),
            "get_by_id": ([str(obj.id)], {}),
            "get_by_uuid": ([], {"uuid": getattr(obj, "uuid", "")}),
            "get_by_name": ([getattr(obj, "name", "")], {}),
            "get_by_type": ([getattr(obj, "action_type", "")], {}),
            "list": ([], {**page, "sort_key": "id", "eager": True}),
            "supersede_expired": ([0.5], {}),
            "_obj_related": ([obj.id], {}),
        }
        for (name, method), (args, kwargs) in (((cls.__name__, m), a) for m, a in asked.items()):
            if (name, method) in server.methods():
                request = {"class": name, "method": method, "args": args, "kwargs": kwargs}
                yield "object_class_action_versions", request

    def restore(self):
        """Restore what the tables held."""
        with db.transaction():
            for table in reversed(TABLES):
                transactions.execute(sa.delete(table))
            for table in TABLES:
                if found := self.rows.get(table.name):
                    transactions.execute(sa.insert(table), found)


def plain(value):
    """A value as it comes out of JSON."""
    return json.loads(json.dumps(value))


def rows():
    """All that is stored, but for the server's notes of what was asked."""
    tables = (table for table in TABLES if table is not models.rpc_requests)
    return {
        table.name: [dict(row._mapping) for row in transactions.execute(sa.select(table)).rows]
        for table in tables
    }


def canonical(value):
    """A primitive as text that is equal for equal ones; changes have no order."""
    if isinstance(value, dict):
        changes = value.get("watcher_object.changes")
        if "watcher_object.name" in value and isinstance(changes, list):
            value = {**value, "watcher_object.changes": sorted(changes)}
        return {key: canonical(item) for key, item in value.items()}
    return [canonical(item) for item in value] if isinstance(value, list) else value


def numbered(count, salt):
    for number in range(count):
        yield number, random.Random(f"{SEED}/{salt}/{number}")  # noqa: S311 - no secret is drawn


def request_text(corpus, mutator, number):
    """A request that is not good, and the call that it is for."""
    verb, said = number.choice(corpus.requests)
    token = {"token": f"{number.getrandbits(128):032x}", "versions": wire.supported_versions()}
    if number.random() < 0.15:
        return verb, mutator.text(number, {**said, **token})
    places = ("token", "versions", None) if number.random() < 0.1 else (None,)
    said = mutator.mutated(number, {**said, **{k: v for k, v in token.items() if k in places}})
    return verb, json.dumps({**token, **said} if isinstance(said, dict) else said)


def timed(call):
    """What a call returns or refuses, and the CPU seconds that it took."""
    begin = time.thread_time()
    try:
        result = call()
    except TYPED as error:
        result = error
    return result, time.thread_time() - begin


def check_time(call, taken):
    """See that a call took no time worth mentioning, or takes none when it is made again."""
    assert taken < SOON or timed(call)[1] < SOON


def outcome_of(verb, asked, answer):
    """The name of the error in an answer; None: what was done is what it says."""
    said = json.loads(answer)
    if "error" in said:
        assert said["error"]["name"] not in FAULTS, said["error"]["message"]
        return said["error"]["name"]
    request = json.loads(asked)
    method = request.get("method") if verb == "object_action" else None
    obj = wire.decode(said.get("object"), context)
    if method in WRITES:
        # What has not changed is not saved, and need not be what the row says.
        is_saved = method != "save" or wire.decode(request["object"], context)._changed_columns()
        is_newest = said["object"]["watcher_object.version"] == type(obj).VERSION
        if is_saved and is_newest:
            assert type(obj)._get(context, obj._key(), True) == obj
            assert obj.obj_what_changed() == set()
    elif method == "destroy":
        with pytest.raises(exception.ResourceNotFound):
            type(obj)._get(context, obj._key(), True)
    return None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A corpus, whose rows are in a database of their own."""
    factory.forget_owners()
    db.configure(f"sqlite:///{tmp_path_factory.mktemp('database') / 'fuzzed.sqlite'}")
    migration.upgrade()
    yield Corpus()
    db.dispose()


@pytest.fixture
def known(corpus):
    corpus.restore()
    return corpus


@pytest.fixture
def served(known):
    """A client that sends the server hostile requests."""
    url = messaging.broker()
    with messaging.serving(url, f"{messaging.TOPIC}_fuzz"):
        bus = transport.create(url, transport.configuration())
        target = oslo_messaging.Target(topic=f"{messaging.TOPIC}_fuzz", version=caller.VERSION)
        yield oslo_messaging.get_rpc_client(bus, target, timeout=20, retry=2)
        transport.close(bus)


def test_a_mutated_primitive_is_read_right_or_refused(known):
    mutator = mutations.Mutator(known.primitives)
    outcomes = collections.Counter()
    for n, number in numbered(PRIMITIVES, "primitive"):
        print(f"\rseed {SEED}, primitive {n}", end="")
        mutated = mutator.mutated(number, number.choice(known.primitives))
        value = number.choice((mutated, mutated, {"result": [mutated]}))
        call = functools.partial(serializer.deserialize_entity, context, value)
        read, taken = timed(call)
        check_time(call, taken)
        outcomes[type(read).__name__ if isinstance(read, TYPED) else "read"] += 1
        if not isinstance(read, TYPED):
            written = plain(serializer.serialize_entity(context, read))
            again = serializer.deserialize_entity(context, copy.deepcopy(written))
            assert same(plain(serializer.serialize_entity(context, again)), written)
    print("\n", outcomes)
    assert outcomes["read"] > PRIMITIVES / 10


def same(one, other):
    return json.dumps(canonical(one), sort_keys=True) == json.dumps(
        canonical(other), sort_keys=True
    )


def test_a_mutated_request_is_answered_right_or_refused(known):
    mutator = mutations.Mutator([said for _, said in known.requests])
    endpoint = server.Endpoint()
    outcomes = collections.Counter()
    for n, number in numbered(REQUESTS, "request"):
        print(f"\rseed {SEED}, request {n}", end="")
        if n % 100 == 0:
            known.restore()
        verb, asked = request_text(known, mutator, number)
        call = functools.partial(getattr(endpoint, verb), number.choice(mutations.CONTEXTS), asked)
        before = rows() if n % 10 == 0 else None
        answer, taken = timed(call)
        refused = outcome_of(verb, asked, answer)
        outcomes[refused or "done"] += 1
        if before is not None and (refused or json.loads(asked).get("method") in server.READS):
            assert rows() == before
        check_time(call, taken)
    print("\n", outcomes)
    assert outcomes["done"] > REQUESTS / 10
    assert endpoint.answered >= REQUESTS


def test_a_server_answers_whatever_is_sent_and_the_next_good_call(known, served):
    mutator = mutations.Mutator([said for _, said in known.requests])
    good = json.dumps(
        {"class": "Goal", "method": "list", "args": [], "kwargs": {}, "versions": {}}
    )
    outcomes = collections.Counter()
    for n, number in numbered(SENT, "sent"):
        print(f"\rseed {SEED}, sent {n}", end="")
        verb, asked = request_text(known, mutator, number)
        ctxt = number.choice(mutations.CONTEXTS)
        if number.random() < 0.05:
            asked = number.choice([None, 1, [], {"a": 1}, True, 1.5, *mutations.TEXTS])
            assert "error" in json.loads(served.call(ctxt, verb, request=asked))
            continue
        outcomes[outcome_of(verb, asked, served.call(ctxt, verb, request=asked)) or "done"] += 1
        if n % 50 == 0:
            known.restore()
            answer = json.loads(served.call({}, "object_class_action_versions", request=good))
            assert [g["watcher_object.data"]["id"] for g in answer["result"]] == [1]
    print("\n", outcomes)
    assert outcomes["done"] > SENT / 10


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("object_action", {}),
        ("object_action", {"request": "{}", "more": 1}),
        ("_answer", {"request": "{}", "run": "os.abort"}),
        ("__init__", {}),
        ("nothing", {}),
    ],
)
def test_a_call_that_is_none_is_refused_by_the_messaging_and_the_server_goes_on(
    served, verb, arguments
):
    with pytest.raises((oslo_messaging.RemoteError, TypeError)):
        served.call({}, verb, **arguments)
    assert "error" in json.loads(served.call({}, "object_action", request="{}"))
