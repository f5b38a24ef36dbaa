# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys: the work of a key is done once, and each call gets its answer."""

import asyncio
import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import factory, processes
from tests.chaos.calls import STATEMENTS
from tests.chaos.proxy import Proxy
from tests.clock import standing_at
from tests.suppressors import trigger
from watcher_objects import Goal, db, exception, idempotency
from watcher_objects.db import models, requests, transactions

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
#: What does not depend on the kind of database.
ON_SQLITE = pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
ON_SERVERS = pytest.mark.parametrize("shared_url", ["postgresql", "mariadb"], indirect=True)
ON_TRIGGERS = pytest.mark.parametrize("shared_url", ["sqlite", "postgresql"], indirect=True)


class Failure(Exception):
    """What ends a block without an error of the database."""


@pytest.fixture
def create(database, context):
    """Create a goal with a key, and return the answer."""

    def create(key="key", during=lambda: None, **options):
        with idempotency.once(key, **options) as call:
            if not call.is_repeat:
                goal = factory.stored(Goal, context)
                call.answer = {"uuid": goal.uuid}
                during()
        return call.answer

    return create


@pytest.fixture
def uuids(context):
    """Return the answers that fit the goals that are stored."""
    return lambda: [{"uuid": goal.uuid} for goal in Goal.list(context)]


@pytest.fixture
def waiting():
    """The calls that have been started in other threads."""
    return []


def stored():
    """Return the rows of keys."""
    return transactions.execute(sa.select(models.rpc_requests)).rows


# --- once -----------------------------------------------------------------------------------


def test_repeats_get_the_answer_of_the_first_call(create, uuids):
    answers = [create(scope="project", fingerprint={"a": 1}) for _ in range(3)]
    assert answers == uuids() * 3


def test_different_keys_and_scopes_are_different_requests(create, uuids):
    named = [("a", "b"), ("ab", ""), ("a", None), ("b", "a"), ("a" * 300, None), ('a", "', "b")]
    answers = [create(key, scope=scope) for key, scope in named * 2]
    assert answers[:6] == answers[6:]
    assert len(uuids()) == 6


def test_a_block_that_raises_stores_nothing(create, uuids):
    def fail():
        raise Failure

    with pytest.raises(Failure):
        create(during=fail)
    assert (uuids(), stored()) == ([], [])
    assert [create(), create()] == uuids() * 2


def test_a_call_without_an_answer_is_done_as_well(database, context):
    seen = []
    for _ in range(2):
        with idempotency.once("key") as call:
            seen.append((call.is_repeat, call.answer))
    assert seen == [(False, None), (True, None)]


@pytest.mark.parametrize(
    "answer", [None, False, 0, "", [], {}, 1.5, "ü\0'%\\\ud800", {"a": [None, {"b%s": "c"}]}]
)
def test_answers_are_returned_as_they_were_set(database, answer):
    for _ in range(2):
        with idempotency.once("key") as call:
            if not call.is_repeat:
                call.answer = answer
        assert call.answer == answer


def test_a_long_answer_is_stored(database):
    for _ in range(2):
        with idempotency.once("key") as call:
            if not call.is_repeat:
                call.answer = ["x" * 1000] * 1000
    assert call.answer == ["x" * 1000] * 1000


def test_changes_inside_an_answer_are_stored(database):
    with idempotency.once("key") as call:
        call.answer = {}
        call.answer["later"] = 1
    with idempotency.once("key") as call:
        assert call.answer == {"later": 1}


def test_events_are_published_once_and_after_the_commit(create, published):
    create(during=lambda: published.append("in the block"))
    create()
    assert [getattr(event, "kind", event) for event in published] == ["in the block", "create"]


def test_a_repeat_begins_no_transaction(create):
    create()
    with idempotency.once("key"):
        assert not transactions.in_transaction()


# --- fingerprints ---------------------------------------------------------------------------


def test_another_fingerprint_is_rejected(create, uuids):
    create(fingerprint={"name": "a"})
    for other in ({"name": "b"}, "name", b"name", 0, []):
        with pytest.raises(exception.KeyReused, match="key is in use for another request") as info:
            create(fingerprint=other)
        assert info.value.code == 409
    assert len(uuids()) == 1


def test_fingerprints_do_not_depend_on_the_order_of_keys(create, uuids):
    for fingerprint in ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, None):
        create(fingerprint=fingerprint)
    assert len(uuids()) == 1


def test_without_a_fingerprint_nothing_is_compared(create, uuids):
    for fingerprint in (None, "a", b"b"):
        create(fingerprint=fingerprint)
    assert len(uuids()) == 1


# --- invalid arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"key": ""}, "key must be text without NUL, at least one character"),
        ({"key": None}, "key must be text .*, got NoneType"),
        ({"key": 1}, "key must be text .*, got int"),
        ({"key": "a\0"}, "key must be text without NUL"),
        ({"scope": 1}, "scope must be text without NUL, got int"),
        ({"fingerprint": object()}, "fingerprint must be bytes or a JSON value"),
        ({"fingerprint": float("nan")}, "fingerprint must be bytes or a JSON value"),
    ],
)
@ON_SQLITE
def test_invalid_arguments_are_rejected(create, given, message):
    with pytest.raises(exception.InvalidParameter, match=message):
        create(**{"key": "key", **given})
    assert stored() == []


DEEP = [[]]
for _ in range(200):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "answer", [object(), float("inf"), {1: 2}, (1,), b"", {"a": {1}}, "x" * 2**22, DEEP], ids=type
)
@ON_SQLITE
def test_answers_that_json_can_not_represent_are_rejected(database, answer):
    with (
        pytest.raises(exception.InvalidParameter, match="answer must be a JSON value"),
        idempotency.once("key") as call,
    ):
        call.answer = answer
    assert stored() == []


@ON_SQLITE
def test_an_answer_that_becomes_invalid_is_rejected(database):
    def set_answer():
        with idempotency.once("key") as call:
            call.answer = []
            call.answer.append(object())

    with pytest.raises(exception.InvalidParameter, match="answer must be a JSON value"):
        set_answer()
    assert stored() == []


@ON_SQLITE
def test_a_repeat_sets_no_answer(create):
    create()
    with (
        pytest.raises(exception.InvalidParameter, match="set by the first call only"),
        idempotency.once("key") as call,
    ):
        call.answer = 1


# --- transactions ---------------------------------------------------------------------------


def test_the_answer_is_stored_with_the_outer_transaction(create, uuids):
    with contextlib.suppress(Failure), db.transaction():
        create()
        raise Failure
    assert (uuids(), stored()) == ([], [])
    with db.transaction():
        answers = [create(), create()]
    assert [*answers, create()] == uuids() * 3


def test_a_block_that_raises_leaves_the_outer_transaction(create, uuids):
    def fail():
        raise Failure

    with db.transaction():
        create("other")
        with pytest.raises(Failure):
            create(during=fail)
        answer = create()
    assert len(uuids()) == len(stored()) == 2
    assert create() == answer


def test_a_key_inside_its_own_block_is_rejected(create, uuids):
    def reuse():
        with pytest.raises(exception.KeyReused, match="the block around this one"):
            create()
        with db.transaction(), pytest.raises(exception.KeyReused):
            create()
        create("other")

    create(during=reuse)
    assert len(uuids()) == 2


@ON_SERVERS
def test_an_outer_transaction_sees_the_answer_of_a_call_that_it_waited_for(create, uuids, waiting):
    def second():
        with db.transaction():
            assert uuids() == []
            begun.set()
            return create()

    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answer = create(during=lambda: waiting.append(pool.submit(second)) or begun.wait(20))
        assert waiting[0].result(20) == answer


@ON_SQLITE
def test_a_generator_suspended_in_the_block_is_rejected(database, context):
    def suspended():
        with idempotency.once("key"):
            yield

    generator = suspended()
    next(generator)
    with pytest.raises(exception.DatabaseError, match="suspended is suspended in a transaction"):
        factory.stored(Goal, context)
    generator.close()
    assert stored() == []


@ON_SERVERS
def test_tasks_use_keys_of_their_own(create, uuids):
    async def run():
        return await asyncio.gather(*(asyncio.to_thread(create) for _ in range(4)))

    answers = asyncio.run(run())
    assert answers == uuids() * 4


# --- concurrency ----------------------------------------------------------------------------


def test_of_concurrent_calls_one_does_the_work(create, uuids):
    together = threading.Barrier(4)

    def run(number):
        together.wait()
        return create()

    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(run, range(4))]
    assert answers == uuids() * 4


def test_a_second_call_waits_for_the_first(create, uuids, waiting):
    with ThreadPoolExecutor(1) as pool:

        def start():
            waiting.append(pool.submit(create))
            with pytest.raises(TimeoutError):
                waiting[0].result(0.5)

        answer = create(during=start)
        assert waiting[0].result(20) == answer
    assert uuids() == [answer]


def test_a_second_call_does_the_work_if_the_first_fails(create, uuids, waiting):
    def start():
        waiting.extend(pool.submit(create) for _ in range(2))
        with pytest.raises(TimeoutError):
            waiting[0].result(0.5)
        raise Failure

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(Failure):
            create(during=start)
        answers = [one.result(20) for one in waiting]
    assert answers == uuids() * 2


def test_a_second_call_with_another_fingerprint_is_rejected_after_it_waited(
    create, uuids, waiting
):
    with ThreadPoolExecutor(1) as pool:
        create(
            during=lambda: waiting.append(pool.submit(create, fingerprint="b")), fingerprint="a"
        )
        with pytest.raises(exception.KeyReused):
            waiting[0].result(20)
    assert len(uuids()) == 1


def test_a_call_waits_no_longer_than_calls_may_take(url, create):
    def wait():
        with pytest.raises(exception.DatabaseUnavailable) as info:
            pool.submit(create).result(20)
        assert not isinstance(info.value, exception.OutcomeUnknown)

    db.configure(url, retry_for=2)
    with ThreadPoolExecutor(1) as pool:
        create(during=wait)


def test_of_concurrent_processes_one_does_the_work(url, create, uuids):
    db.dispose()
    reader, writer = os.pipe()

    def run():
        db.configure(url)
        os.write(writer, f"{create()['uuid']}\n".encode())

    for child in [processes.forked(run) for _ in range(4)]:
        assert processes.ended(child) == 0
    os.close(writer)
    with open(reader) as answers:
        seen = answers.read().split()
    db.configure(url)
    assert [{"uuid": answer} for answer in seen] == uuids() * 4


def test_a_call_does_the_work_of_one_that_was_killed(url, create, uuids):
    db.dispose()
    with closing(processes.Signal()) as begun:

        def crash():
            begun.send()
            signal.pause()

        def run():
            db.configure(url)
            create(during=crash)

        child = processes.forked(run)
        begun.wait()
        db.configure(url)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(create)
            with pytest.raises(TimeoutError):
                second.result(0.5)
            os.kill(child, signal.SIGKILL)
            assert processes.ended(child) == -signal.SIGKILL
            assert [second.result(20)] == uuids()


# --- lost answers ---------------------------------------------------------------------------


@pytest.fixture
def proxy(url, database):
    """A network between the library and its server."""
    proxy = Proxy(sa.make_url(url))
    db.configure(proxy.url)
    yield proxy
    db.dispose()
    proxy.close()


@ON_SERVERS
@pytest.mark.parametrize("done", [False, True])
def test_a_repeat_after_a_cut_gets_the_answer(proxy, create, uuids, published, done):
    failures = []
    for at in range(1, STATEMENTS):
        key = f"key {at}"
        with proxy.failing(at, done):
            try:
                answer = create(key)
            except exception.DatabaseUnavailable as error:
                failures.append(type(error))
                answer = create(key)
        assert create(key) == answer
        assert uuids()[-1] == answer
        assert len(uuids()) == len(stored()) == len(published) == at
        if not proxy.raised:
            break
    assert STATEMENTS > at > 4
    # Where COMMIT took effect, the key shows that.
    assert failures.count(exception.OutcomeUnknown) == (not done)


@ON_SERVERS
def test_objects_stay_as_written_if_the_key_shows_the_commit(proxy, context):
    for at in range(1, STATEMENTS):
        goal = factory.built(Goal, context)
        with proxy.failing(at, True):
            try:
                with idempotency.once(f"key {at}") as call:
                    goal.create()
                    call.answer = goal.uuid
            except exception.DatabaseUnavailable:
                assert not goal.obj_attr_is_set("id")
            else:
                assert Goal.get(context, goal.id).uuid == call.answer
        if not proxy.raised:
            break
    assert STATEMENTS > at > 4


def test_the_answer_of_another_call_is_not_taken_for_the_own(database):
    with idempotency.once("key") as call:
        call.answer = 1
    (row,) = stored()
    level = requests._Transaction(None, slot := requests.Slot(row.token, None, "key"))
    slot.answer = "1"
    assert not level._is_stored()
    level.created_at = row.created_at
    assert level._is_stored()


# --- writes that the database suppresses ----------------------------------------------------


@ON_TRIGGERS
@pytest.mark.parametrize("verb", ["INSERT", "UPDATE"])
def test_a_key_that_can_not_be_stored_is_an_error(url, create, uuids, verb):
    with trigger(url, "rpc_requests", verb), pytest.raises(exception.WriteSuppressed):
        create()
    assert uuids() == []
    assert [create()] == uuids()


# --- retention ------------------------------------------------------------------------------


def test_old_keys_are_forgotten(create, uuids, monkeypatch):
    monkeypatch.setattr(requests, "BATCH", 2)
    with standing_at("2026-01-01 00:00:00"):
        for number in range(5):
            create(f"old {number}")
    with standing_at("2026-01-01 00:00:30"):
        create("new")
    with standing_at("2026-01-01 00:01:00"):
        assert idempotency.forget(61) == 0
        assert idempotency.forget(45) == 5
        create("new")
    assert len(uuids()) == 6
    create("old 0")
    assert len(uuids()) == 7


@ON_SQLITE
@pytest.mark.parametrize("age", [-1, "one", None, True, float("nan"), 1e300])
def test_invalid_ages_are_rejected(database, age):
    with pytest.raises(exception.InvalidValue, match="older_than"):
        idempotency.forget(age)


def test_keys_and_requests_over_rpc_expire_apart(create):
    create()
    requests.execute_once("a" * 36, lambda: "answer")
    assert idempotency.forget(0) == 1
    create()
    assert requests.expire(-1) == 1
    assert [row.token[:4] for row in stored()] == [requests.PREFIX]


# --- requests over RPC ----------------------------------------------------------------------


def test_a_token_with_another_fingerprint_is_rejected(database):
    assert requests.execute_once("a" * 36, lambda: "answer", "1" * 64) == "answer"
    assert requests.execute_once("a" * 36, lambda: "", None) == "answer"
    with pytest.raises(exception.KeyReused):
        requests.execute_once("a" * 36, lambda: "", "2" * 64)


def test_answers_of_older_servers_have_no_fingerprint(database):
    row = {"token": "a" * 36, "created_at": sa.func.now(), "answer": "answer"}
    transactions.execute(sa.insert(models.rpc_requests).values(row))
    assert requests.execute_once("a" * 36, lambda: "", "2" * 64) == "answer"
