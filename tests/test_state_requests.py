# SPDX-License-Identifier: Apache-2.0
"""Assigning a state requests a transition, whatever state the object was read in."""

import contextlib
import copy
import pickle

import pytest

from tests import factory
from tests.test_states import in_state, put, row_of
from watcher_objects import Action, ActionPlan, Audit, db, events, exception
from watcher_objects.audit import AuditStateTransitionManager
from watcher_objects.db import bulk
from watcher_objects.db.backend import database as backend

STATEFUL = pytest.mark.parametrize("cls", [Audit, ActionPlan, Action])


@pytest.fixture
def ongoing(sqlite, context):
    """An audit that was read in the state ONGOING."""
    return in_state("ONGOING", context)


@pytest.fixture
def lenient(sqlite, sqlite_url):
    """The same database under the profile ``watcher``."""
    db.configure(sqlite_url, transitions="watcher")


def rejected(write):
    with pytest.raises(exception.InvalidStateTransition) as caught:
        write()
    return caught.value.initial, caught.value.new


def by_way_of_another(obj):
    obj.state = "SUCCEEDED"
    obj.state = "ONGOING"


ASSIGNMENTS = (
    lambda obj: setattr(obj, "state", "ONGOING"),
    lambda obj: obj.__setitem__("state", "ONGOING"),
    lambda obj: obj.update({"state": "ONGOING"}),
    lambda obj: setattr(obj, "state", obj.state),
    by_way_of_another,
)


# --- what requests a transition -------------------------------------------------------------


@STATEFUL
def test_of_three_workers_that_read_an_object_by_id_one_claims_it(database, context, cls):
    ident = in_state("PENDING", context, cls).id
    heard = []
    end = events.subscribe(heard.append, refusals=True)
    won, *lost = [cls.get(context, ident)]
    won.state = "ONGOING"
    won.save()
    for worker in (cls.get(context, ident) for _ in range(2)):
        worker.state, worker.status_message = "ONGOING", "mine"
        assert rejected(worker.save) == ("ONGOING", "ONGOING")
        lost.append(worker)
    end()
    assert [(event.kind, event.old_state) for event in heard] == [
        ("update", "PENDING"),
        ("refuse", None),
        ("refuse", None),
    ]
    assert [worker.old_state for worker in (won, *lost)] == ["PENDING", None, None]
    assert row_of(won)["status_message"] != "mine"


def test_every_way_to_assign_an_equal_state_requests_it(ongoing):
    for assign in ASSIGNMENTS:
        ongoing.refresh()
        assign(ongoing)
        assert ongoing.obj_what_changed() == {"state"}
        assert ongoing.obj_get_changes() == {"state": "ONGOING"}
        assert rejected(ongoing.save) == ("ONGOING", "ONGOING")


def test_under_the_profile_watcher_an_equal_state_requests_nothing(ongoing, lenient):
    for assign in ASSIGNMENTS:
        assign(ongoing)
        assert ongoing.obj_what_changed() == set()
    put(ongoing, "CANCELLED")
    ongoing.name = "stale"
    ongoing.save()
    assert (ongoing.state, ongoing.name, ongoing.old_state) == ("CANCELLED", "stale", None)


def test_a_transition_from_a_state_to_itself_may_be_listed(ongoing, context, monkeypatch):
    table = AuditStateTransitionManager.TRANSITIONS
    listed = {**table, "ONGOING": table["ONGOING"] | {"ONGOING"}}
    monkeypatch.setattr(AuditStateTransitionManager, "TRANSITIONS", listed)
    stale = Audit.get(context, ongoing.id)
    put(ongoing, "SUSPENDED")
    stale.refresh()
    put(ongoing, "ONGOING")
    for audit in (ongoing, stale):
        audit.state = "ONGOING"
        audit.save()
        assert (audit.state, audit.old_state) == ("ONGOING", None)
    stale.state = "PENDING"
    with pytest.raises(exception.InvalidStateTransition) as caught:
        stale.save()
    assert "ONGOING" in caught.value.allowed


@STATEFUL
def test_a_bulk_update_is_held_to_the_table(database, context, cls):
    rows = [in_state(state, context, cls) for state in ("PENDING", "ONGOING")]
    filters = {"id__in": [row.id for row in rows]}
    update = {"state": "ONGOING", "status_message": "all"}
    assert rejected(lambda: bulk.update(cls.table, filters, update)) == ("ONGOING", "ONGOING")
    assert [row_of(row)["state"] for row in rows] == ["PENDING", "ONGOING"]


# --- how long a request lasts ---------------------------------------------------------------


def test_a_save_that_succeeds_spends_the_request(sqlite, context):
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    audit.save()
    assert audit.obj_what_changed() == set()
    audit.save()
    audit.name = "renamed"
    put(audit, "CANCELLED")
    audit.save()
    assert (audit.state, audit.old_state) == ("CANCELLED", "PENDING")


def test_a_created_object_requests_nothing(sqlite, context):
    audits = [factory.built(Audit, context, state="ONGOING") for _ in range(2)]
    audits[0].create()
    Audit.create_many(context, audits[1:])
    for audit in audits:
        assert audit.obj_what_changed() == set()
        audit.save()
        assert (audit.state, audit.updated_at) == ("ONGOING", None)


def test_a_save_that_is_rejected_keeps_the_request(ongoing):
    ongoing.state = "ONGOING"
    ongoing.name = "renamed"
    ongoing.obj_reset_changes(["name"])
    for _ in range(2):
        assert rejected(ongoing.save) == ("ONGOING", "ONGOING")
        assert ongoing.obj_what_changed() == {"state"}
    put(ongoing, "SUSPENDED")
    ongoing.save()
    assert (ongoing.old_state, ongoing.obj_what_changed()) == ("SUSPENDED", set())


@pytest.mark.parametrize(
    "drop",
    [
        Audit.refresh,
        Audit.obj_reset_changes,
        lambda audit: audit.obj_reset_changes(["state"]),
        lambda audit: delattr(audit, "state"),
    ],
    ids=["refresh", "reset", "reset-one", "delete"],
)
def test_a_request_can_be_dropped(ongoing, drop):
    ongoing.state = "ONGOING"
    drop(ongoing)
    assert ongoing.obj_what_changed() == set()
    ongoing.name = "renamed"
    ongoing.save()
    assert (ongoing.state, ongoing.old_state) == ("ONGOING", None)


class Rollback(Exception):
    """What ends a transaction that is to be rolled back."""


@pytest.mark.parametrize("spend", [Audit.save, Audit.refresh, Audit.soft_delete, Audit.destroy])
def test_a_rollback_restores_the_request(ongoing, spend):
    put(ongoing, "SUSPENDED")
    ongoing.state = "ONGOING"
    with contextlib.suppress(Rollback), db.transaction():
        spend(ongoing)
        assert ongoing.obj_what_changed() == set()
        raise Rollback
    assert (ongoing.state, ongoing.obj_what_changed()) == ("ONGOING", {"state"})
    ongoing.save()
    assert ongoing.old_state == "SUSPENDED"


# --- copies ---------------------------------------------------------------------------------


def through_pickle(audit):
    audit._context = None
    return pickle.loads(pickle.dumps(audit))  # noqa: S301 - our own


def test_a_copy_requests_what_its_original_does(ongoing):
    for copied in (Audit.obj_clone, copy.deepcopy, copy.copy, through_pickle):
        ongoing.obj_reset_changes()
        assert copied(ongoing).obj_what_changed() == set()
        ongoing.state = "ONGOING"
        assert copied(ongoing).obj_what_changed() == {"state"}


@pytest.fixture(params=["strict", "watcher"])
def received(request, sqlite, sqlite_url, context):
    """Objects that were received in each version, and whether they request the state."""
    audit = in_state("ONGOING", context, interval="60")  # older versions have numbers only
    primitives = [audit.obj_to_primitive(version) for version in Audit.history]
    audit.state = "ONGOING"
    primitives += [audit.obj_to_primitive(version) for version in Audit.history]
    db.configure(sqlite_url, transitions=request.param)
    objects = [Audit.obj_from_primitive(primitive, context) for primitive in primitives]
    return [(one, "state" in one.obj_what_changed()) for one in objects]


def test_a_primitive_of_every_version_lists_the_request(received):
    for audit, is_requested in received:
        assert audit.obj_what_changed() == ({"state"} if is_requested else set())
        if is_requested:
            assert rejected(audit.save) == ("ONGOING", "ONGOING")
        else:
            audit.state = "ONGOING"
            changed = {"state"} if backend.get_profile() == "strict" else set()
            assert audit.obj_what_changed() == changed


# --- deletion -------------------------------------------------------------------------------


@STATEFUL
def test_a_row_that_is_deleted_takes_no_request(sqlite, context, show_deleted_context, cls):
    obj = in_state("FAILED", context, cls)
    obj.soft_delete()
    for gone in (obj, cls.get(show_deleted_context, obj.id)):
        with pytest.raises(cls.not_found):
            gone.soft_delete()
        gone.state = "DELETED"
        with pytest.raises(cls.not_found):
            gone.save()


@STATEFUL
def test_a_row_in_the_state_deleted_that_is_not_deleted_stays(sqlite, context, cls):
    half = in_state("DELETED", context, cls)
    assert rejected(half.soft_delete) == ("DELETED", "DELETED")
    half.state = "DELETED"
    assert rejected(half.save) == ("DELETED", "DELETED")
    assert row_of(half)["deleted"] == 0


def test_an_action_in_the_state_deleted_does_not_keep_its_plan(database, context, published):
    action = in_state("DELETED", context, Action)
    plan = ActionPlan.get(context, action.action_plan_id)
    put(plan, "FAILED")
    published.clear()
    plan.soft_delete()
    assert [event.old_state for event in published] == [None, "FAILED"]
    assert row_of(action)["deleted"] == action.id


def test_a_deletion_takes_the_place_of_a_request(ongoing):
    put(ongoing, "FAILED")
    ongoing.state, ongoing.status_message = "ONGOING", "gone"
    ongoing.soft_delete()
    assert (ongoing.state, ongoing.status_message) == ("DELETED", "gone")
    assert ongoing.old_state == "FAILED"
    assert ongoing.obj_what_changed() == set()
