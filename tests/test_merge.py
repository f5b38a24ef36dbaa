# SPDX-License-Identifier: Apache-2.0
"""``merge`` and ``modify``: changes are written, and those of other writers are kept."""

import contextlib
import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factory
from tests.chaos.tiers import long
from tests.processes import ended, forked
from tests.test_conditional_update import write
from tests.test_states import in_state, put, row_of
from watcher_objects import ActionPlan, Audit, Goal, Strategy, db, events, exception
from watcher_objects.db.backend import budget
from watcher_objects.db.backend import database as backend
from watcher_objects.persistence import merging
from watcher_objects.persistence.merging import MISSING

# --- the merge of values --------------------------------------------------------------------

MERGES = {
    "nothing": ({"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}),
    "mine only": ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
    "theirs only": ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
    "two keys": ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}),
    "the same change": ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}),
    "both added": ({}, {"a": 1}, {"b": 2}, {"b": 2, "a": 1}),
    "both added the same": ({}, {"a": [1]}, {"a": [1], "b": 2}, {"a": [1], "b": 2}),
    "both added dicts": ({}, {"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
    "from nothing": (None, {"a": 1}, {"b": 2}, {"b": 2, "a": 1}),
    "mine removed": ({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}),
    "theirs removed": ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"b": 1}, {"b": 2}),
    "both removed": ({"a": 1, "b": 1}, {"b": 1}, {"b": 1, "c": 1}, {"b": 1, "c": 1}),
    "nested": (
        {"a": {"b": {"c": 1}, "d": 1}},
        {"a": {"b": {"c": 2}, "d": 1}},
        {"a": {"b": {"c": 1, "e": 3}}},
        {"a": {"b": {"c": 2, "e": 3}}},
    ),
    "a list as a whole": ({"a": [1], "b": 1}, {"a": [1, 2], "b": 1}, {"a": [1]}, {"a": [1, 2]}),
    "to NULL": ({"a": 1}, None, {"a": 1}, None),
}
CLASHES = {
    "a value": ({"a": 1}, {"a": 2}, {"a": 3}, ("a",), 1, 2, 3),
    "a key added": ({}, {"a": 2}, {"a": 3}, ("a",), MISSING, 2, 3),
    "changed and removed": ({"a": 1}, {"a": 2}, {}, ("a",), 1, 2, MISSING),
    "removed and changed": ({"a": 1}, {}, {"a": 2}, ("a",), 1, MISSING, 2),
    "nested": ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 3}}, ("a", "b"), 1, 2, 3),
    "lists": ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, ("a",), [1], [1, 2], [1, 3]),
    "True and 1": ({"a": 0}, {"a": True}, {"a": 1}, ("a",), 0, True, 1),
    "a dict and a list": ({"a": 1}, {"a": {}}, {"a": []}, ("a",), 1, {}, []),
    "a dict in place of a value": ({"a": 1}, {"a": {}}, {"a": {"b": 1}}, ("a",), 1, {}, {"b": 1}),
}


@pytest.mark.parametrize(("base", "mine", "theirs", "merged"), MERGES.values(), ids=MERGES)
def test_what_only_one_has_changed_is_merged(base, mine, theirs, merged):
    assert merging.merge(base, mine, theirs) == merged


@pytest.mark.parametrize("three", CLASHES.values(), ids=CLASHES)
def test_what_both_have_changed_differently_clashes(three):
    base, mine, theirs, *expected = three
    with pytest.raises(merging.Clash) as caught:
        merging.merge(base, mine, theirs)
    clash = caught.value
    assert [clash.path, clash.base, clash.mine, clash.theirs] == expected
    assert repr(MISSING) == "MISSING"


_LEAVES = st.none() | st.booleans() | st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2)
_DOCUMENTS = st.recursive(
    _LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6
)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), _DOCUMENTS)


def leaves(value, path=()):
    """Return the values of a document by their paths; an empty dict is a value."""
    if not isinstance(value, dict) or not value:
        return {path: json.dumps(value)}
    return {k: v for key in value for k, v in leaves(value[key], (*path, key)).items()}


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_merge_has_every_change_and_invents_nothing(base, mine, theirs):
    before = copy.deepcopy((base, mine, theirs))
    with contextlib.suppress(merging.Clash):
        merged = merging.merge(base, mine, theirs)
        assert merging.same(merged, merging.merge(base, theirs, mine))
        known, was = leaves(merged), leaves(base)
        for changed in (leaves(mine), leaves(theirs)):
            # A path may lead further in the other's: what was a value has become a dict.
            kept = {p: v for p, v in changed.items() if was.get(p) != v and v != "{}"}
            assert kept.items() <= known.items()
        invented = known.items() - leaves(mine).items() - leaves(theirs).items()
        assert all(value == "{}" for _, value in invented)
    assert (base, mine, theirs) == before


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_with_one_writer_is_its_document(base, changed):
    assert merging.same(merging.merge(base, changed, base), changed)
    assert merging.same(merging.merge(base, base, changed), changed)
    assert merging.same(merging.merge(base, changed, changed), changed)


# --- merge() --------------------------------------------------------------------------------


@pytest.fixture
def audit(database, context):
    return factory.stored(Audit, context, parameters={"cpu": 0.5, "n": 1}, hostname="first")


def test_an_unconflicted_merge_is_one_update(audit, published, statements, database):
    audit.parameters["cpu"], audit.hostname = 0.9, "mine"
    published.clear()
    statements.clear()
    audit.merge()
    assert len(statements) == (2 if database == "mysql" else 1)
    assert (audit.parameters["cpu"], audit.hostname) == (0.9, "mine")
    assert audit.obj_what_changed() == set()
    assert [event.kind for event in published] == ["update"]
    audit.merge()
    assert len(published) == 1


def test_changes_of_others_are_kept(audit, context):
    other = Audit.get(context, audit.id)
    other.parameters["n"] = 2
    other.status_message = "theirs"
    other.save()
    audit.parameters["cpu"] = 0.9
    audit.hostname = "mine"
    audit.merge()
    expected = {"cpu": 0.9, "n": 2}
    assert (audit.parameters, json.loads(row_of(audit)["parameters"])) == (expected, expected)
    assert (audit.hostname, audit.status_message) == ("mine", "theirs")


def test_a_conflict_names_the_field_and_changes_nothing(audit, published):
    audit.parameters["cpu"], audit.hostname = 0.9, "mine"
    before, row = audit.obj_to_primitive(), row_of(audit)
    write(audit, parameters='{"n": 1, "cpu": 0.7}')
    published.clear()
    with pytest.raises(exception.MergeConflict, match="parameters") as caught:
        audit.merge()
    conflict = caught.value
    assert (conflict.field, conflict.path) == ("parameters", ("cpu",))
    assert (conflict.base, conflict.mine, conflict.theirs) == (0.5, 0.9, 0.7)
    assert conflict.code == 409
    assert not any(text in str(conflict) for text in ("0.5", "0.9", "0.7"))
    assert audit.obj_to_primitive() == before
    assert published == []
    assert row_of(audit)["hostname"] == row["hostname"]
    write(audit, parameters='{"n": 1, "cpu": 0.5}', hostname="theirs")
    with pytest.raises(exception.MergeConflict) as caught:
        audit.merge()
    conflict = caught.value
    assert (conflict.field, conflict.path) == ("hostname", ())
    assert (conflict.base, conflict.mine, conflict.theirs) == ("first", "mine", "theirs")


def test_the_same_change_does_not_conflict(audit, published):
    audit.parameters["cpu"], audit.hostname = 0.9, "mine"
    write(audit, parameters='{"n":1,"cpu":0.9}', hostname="mine", interval="5")
    published.clear()
    audit.merge()
    assert (audit.obj_what_changed(), audit.interval) == (set(), "5")
    assert published == []


def test_a_field_that_was_changed_back_takes_their_value(audit):
    audit.hostname = "other"
    audit.hostname = "first"
    audit.interval = "7"
    write(audit, hostname="theirs")
    audit.merge()
    assert (audit.hostname, audit.interval) == ("theirs", "7")


def test_the_base_of_each_type_of_field_is_known(audit, context):
    strategy = factory.stored(Strategy, context, goal_id=audit.goal_id)
    changes = {
        "force": not audit.force,
        "next_run_time": None,
        "start_time": factory.MOMENT.replace(year=2027),
        "strategy": strategy,
        "scope": [{"compute": ["node-2"]}],
        "name": "new",
    }
    for name, value in changes.items():
        audit[name] = value
    write(audit, interval="5")
    audit.merge()
    row = row_of(audit)
    assert (row["strategy_id"], row["name"], row["interval"]) == (strategy.id, "new", "5")
    assert audit.strategy.id == strategy.id
    assert row["next_run_time"] is None
    audit.strategy_id = None
    write(audit, strategy_id=None, force=True)
    audit.merge()
    assert audit.strategy_id is None


def test_documents_from_null_are_merged(audit, context):
    write(audit, parameters=None)
    audit.refresh()
    audit.parameters = {"mine": 1}
    write(audit, parameters='{"theirs": 1}')
    audit.merge()
    assert audit.parameters == {"mine": 1, "theirs": 1}


def test_a_state_is_not_merged(database, context, published):
    audit = in_state("PENDING", context)
    audit.state, audit.hostname = "ONGOING", "mine"
    put(audit, "ONGOING")
    heard = []
    end = events.subscribe(heard.append, refusals=True)
    with pytest.raises(exception.InvalidStateTransition) as caught:
        audit.merge()
    end()
    assert (caught.value.initial, caught.value.new) == ("ONGOING", "ONGOING")
    assert [event.kind for event in heard] == ["refuse"]
    audit.state = "CANCELLED"
    with pytest.raises(exception.MergeConflict) as conflict:
        audit.merge()
    assert (conflict.value.field, conflict.value.theirs) == ("state", "ONGOING")
    audit.refresh()
    audit.state, audit.hostname = "SUCCEEDED", "mine"
    write(audit, status_message="theirs")
    published.clear()
    audit.merge()
    assert (audit.state, audit.old_state, audit.status_message) == (
        "SUCCEEDED",
        "ONGOING",
        "theirs",
    )
    assert [(e.kind, e.old_state) for e in published] == [("update", "ONGOING")]
    audit.state = "DELETED"
    audit.merge()
    assert row_of(audit)["deleted"] == audit.id


def test_what_was_received_has_no_base(audit, context):
    received = Audit.obj_from_primitive(audit.obj_to_primitive(), context)
    received.hostname = "mine"
    for obj in (received, received.obj_clone()):
        with pytest.raises(exception.NoMergeBase, match=r"hostname .* received as a primitive"):
            obj.merge()
    received.refresh()
    received.hostname = "mine"
    received.merge()
    assert row_of(audit)["hostname"] == "mine"
    again = Audit.obj_from_primitive(audit.obj_to_primitive(), context)
    again.interval = "9"
    again.save()
    again.parameters["x"] = 1
    again.merge()


def test_a_field_that_was_not_read_has_no_base(audit):
    del audit.hostname
    audit.hostname = "mine"
    with pytest.raises(exception.NoMergeBase, match=r"hostname .* not read"):
        audit.merge()


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, copy.copy, Audit.obj_clone, lambda obj: pickle.loads(pickle.dumps(obj))],  # noqa: S301
    ids=["deepcopy", "copy", "clone", "pickle"],
)
def test_copies_know_what_was_read(audit, copied):
    audit.hostname, audit.parameters["cpu"] = "mine", 0.9
    other = copied(audit)
    other._context = audit._context
    audit.refresh()
    write(audit, parameters='{"cpu": 0.5, "n": 2}', interval="7")
    other.merge()
    assert (other.hostname, other.parameters, other.interval) == (
        "mine",
        {"cpu": 0.9, "n": 2},
        "7",
    )
    assert audit.hostname == "first"


def test_after_a_rollback_the_base_is_what_it_was(audit):
    audit.hostname = "mine"

    def save_and_fail():
        with db.transaction():
            audit.merge()
            audit.hostname = "another"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_and_fail()
    assert (audit.hostname, audit.obj_what_changed()) == ("mine", {"hostname"})
    write(audit, interval="7")
    audit.merge()
    assert (row_of(audit)["hostname"], row_of(audit)["interval"]) == ("mine", "7")


def test_a_merge_in_a_transaction_is_committed_with_it(audit, published):
    write(audit, parameters='{"cpu": 0.5, "n": 2}')
    audit.parameters["cpu"] = 0.9
    published.clear()
    with db.transaction():
        audit.merge()
        assert published == []
    assert (audit.parameters, len(published)) == ({"cpu": 0.9, "n": 2}, 1)


def test_errors_are_those_of_save(audit, context):
    other = factory.stored(Audit, context)
    audit.name = other.name
    with pytest.raises(exception.AuditAlreadyExists):
        audit.merge()
    audit.refresh()
    audit.parameters["x"] = object()
    with pytest.raises(exception.InvalidValue):
        audit.merge()
    audit.refresh()
    audit.hostname = "mine"
    Audit.get(context, audit.id).destroy()
    with pytest.raises(exception.AuditNotFound):
        audit.merge()
    with pytest.raises((exception.NoMergeBase, exception.AuditNotFound)):
        factory.built(Goal, context).merge()


# --- races, planted between two statements ----------------------------------------------------


@pytest.fixture
def before(listen):
    """Runs functions, each once, before the next statements that begin with a word."""
    planted, running = [], []

    def note(connection, cursor, statement, *rest):
        # What they run is not ours.
        if planted and not running and statement.startswith(planted[0][0]):
            running.append(planted.pop(0)[1])
            running[0]()
            running.clear()

    listen(note)
    return lambda *pairs: planted.extend(pairs)


def test_others_write_before_each_attempt(audit, before, published):
    def others(number):
        return lambda: write(audit, parameters=json.dumps({"cpu": 0.5, "n": number}))

    audit.parameters["cpu"] = 0.9
    published.clear()
    before(("UPDATE", others(2)), ("SELECT", others(3)), ("UPDATE", others(4)))
    audit.merge()
    assert audit.parameters == {"cpu": 0.9, "n": 4}
    assert json.loads(row_of(audit)["parameters"]) == audit.parameters
    assert len(published) == 1


def test_others_write_before_a_conditional_update(audit, before, published):
    published.clear()
    before(("UPDATE", lambda: write(audit, hostname="theirs")))
    assert audit.conditional_update({"hostname": "mine"}, {"hostname": "first"}) is False
    assert (audit.hostname, published) == ("theirs", [])
    before(
        ("UPDATE", lambda: write(audit, hostname="other")),
        ("SELECT", lambda: write(audit, hostname="theirs")),
    )
    assert audit.conditional_update({"hostname": "mine"}, {"hostname": "theirs"}) is True
    assert row_of(audit)["hostname"] == "mine"


def test_a_modification_is_made_again_if_others_were_first(audit, context, before):
    calls = []

    def count(one):
        calls.append(one.parameters["n"])
        if len(calls) == 1:
            write(audit, parameters='{"cpu": 0.5, "n": 7}')
        one.parameters["n"] += 1

    done = Audit.modify(context, audit.uuid, count)
    assert (calls, done.parameters["n"], done.obj_what_changed()) == ([1, 7], 8, set())


def test_a_modification_of_other_fields_does_not_conflict(audit, context):
    def change(one):
        calls.append(one)
        write(audit, hostname="theirs", parameters='{"theirs": 1}')
        one.interval = "9"

    calls = []
    done = Audit.modify(context, audit.id, change)
    assert (done.interval, done.hostname, len(calls)) == ("9", "theirs", 1)


def test_a_deadline_ends_the_attempts(url, audit, context):
    backend.current().timeout = 1.3

    def change(one):
        calls.append(write(audit, interval=str(len(calls))))
        one.interval = "mine"

    calls = []
    with pytest.raises(exception.DatabaseUnavailable, match="another writer changed interval"):
        Audit.modify(context, audit.id, change)
    assert len(calls) > 1
    db.configure(url, retry_for=0)
    calls.clear()
    with pytest.raises(exception.DatabaseUnavailable, match="another writer changed interval"):
        Audit.modify(context, audit.id, change)
    assert len(calls) == 1


# --- modify() -------------------------------------------------------------------------------


def test_a_modification_returns_the_object(audit, context, published):
    published.clear()
    done = Audit.modify(context, audit.uuid, lambda one: one.parameters.update(n=2))
    assert done == Audit.get(context, audit.id)
    assert [(e.kind, e.obj.parameters["n"]) for e in published] == [("update", 2)]
    assert Audit.modify(context, str(audit.id), lambda one: None) == done
    assert len(published) == 1


def test_an_error_of_the_function_is_raised_as_it_is(audit, context):
    calls = []

    def fail(error):
        def run(one):
            calls.append(one)
            one.parameters["n"] = 2
            raise error

        return run

    for error in (
        ZeroDivisionError("one"),
        exception.DatabaseUnavailable(reason="two", may_retry=True),
        exception.OutcomeUnknown(reason="three", is_lost=True),
        exception.UnexpectedValues(name="a", id=1, field="four"),
    ):
        calls.clear()
        with pytest.raises(type(error)) as caught:
            Audit.modify(context, audit.uuid, fail(error))
        assert caught.value is error
        assert len(calls) == 1
    assert json.loads(row_of(audit)["parameters"])["n"] == 1


def test_a_claim_by_modification_goes_through_the_guard(database, context):
    plan = in_state("PENDING", context, ActionPlan)

    def claim(one):
        one.state = "ONGOING"

    assert ActionPlan.modify(context, plan.uuid, claim).old_state == "PENDING"
    heard = []
    end = events.subscribe(heard.append, refusals=True)
    with pytest.raises(exception.InvalidStateTransition) as caught:
        ActionPlan.modify(context, plan.uuid, claim)
    end()
    assert caught.value.initial == "ONGOING"
    assert [event.kind for event in heard] == ["refuse"]


def test_misuse_of_a_modification_is_reported(audit, context):
    with pytest.raises(exception.AuditNotFound):
        Audit.modify(context, 2**30, print)
    with pytest.raises(exception.InvalidIdentity):
        Audit.modify(context, "nobody", print)
    with pytest.raises(exception.InvalidParameter, match="function"):
        Audit.modify(context, audit.id, None)
    with pytest.raises(exception.InvalidParameter, match="context"):
        Audit.modify(None, audit.id, print)


def test_in_a_transaction_the_row_is_locked_before_it_is_read(audit, context):
    def change(one):
        others.append(pool.submit(write, audit, interval="theirs"))
        with contextlib.suppress(TimeoutError):
            others[0].result(timeout=0.3)
        assert not others[0].done()
        one.interval = "mine"

    others = []
    with ThreadPoolExecutor(1) as pool:
        with db.transaction():
            assert Audit.modify(context, audit.id, change).interval == "mine"
        others[0].result()
    assert (row_of(audit)["interval"], len(others)) == ("theirs", 1)


def test_calls_of_the_function_have_deadlines_of_their_own(audit, context):
    seen = []
    Audit.modify(context, audit.id, lambda one: seen.append(budget.in_call()))
    assert seen == [False]


# --- concurrency ----------------------------------------------------------------------------


def count_up(context, ident, number):
    """Increment a counter in a document, and return how often that was tried."""
    tries = []

    def count(one):
        tries.append(one)
        one.parameters["n"] += 1

    for _ in range(number):
        Audit.modify(context, ident, count)
    return len(tries)


def test_threads_lose_no_increment(audit, context):
    with ThreadPoolExecutor(4) as pool:
        counting = [pool.submit(count_up, context, audit.id, 50) for _ in range(4)]
        tries = sum(one.result() for one in counting)
    audit.refresh()
    assert audit.parameters["n"] == 201
    assert tries <= 3 * 200


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # eventlet's, and Python's
@pytest.mark.parametrize("number", [10, pytest.param(2500, marks=long)])
def test_processes_lose_no_increment(audit, context, number):
    children = [
        forked(lambda: count_up(context, audit.id, number), seconds=1800) for _ in range(4)
    ]
    assert [ended(child) for child in children] == [0] * 4
    audit.refresh()
    assert audit.parameters["n"] == 1 + 4 * number


def test_merges_of_different_keys_lose_nothing(audit, context):
    def note(key):
        mine = Audit.get(context, audit.id)
        for number in range(25):
            mine.parameters[key] = {"last": number, str(number): number}
            mine.merge()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(note, "abcd"))
    audit.refresh()
    last = {"last": 24, "24": 24}
    assert audit.parameters == {"cpu": 0.5, "n": 1, **dict.fromkeys("abcd", last)}
