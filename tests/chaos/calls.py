# SPDX-License-Identifier: Apache-2.0
"""Every public call that reaches the database, and what it leaves there.

Each case is a function that creates what the call needs, and returns that and the call, whose
result can be compared.
"""

import collections
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa

from tests import factory, messaging
from watcher_objects import (
    Action,
    ActionDescription,
    ActionPlan,
    Audit,
    EfficacyIndicator,
    Goal,
    Service,
    db,
    events,
    exception,
)
from watcher_objects.db import models, purge, requests
from watcher_objects.rpc import server, wire

Call = Callable[[], Any]
Needed = tuple[list[Any], Call]
#: The maximum number of statements of a call.
STATEMENTS = 20


def _read(call: Callable[[Any, Audit], Any]) -> Callable[[Any], Needed]:
    def make(context: Any) -> Needed:
        audit = factory.stored(Audit, context)
        return [audit], lambda: call(context, audit)

    return make


def _method(
    verb: str, cls: Any, changes: dict[str, Any] | None = None, stored: bool = True, **given: Any
) -> Callable[[Any], Needed]:
    def make(context: Any) -> Needed:
        obj = (factory.stored if stored else factory.built)(cls, context, **given)
        for name, value in (changes or {}).items():
            obj[name] = value
        return [obj], getattr(obj, verb)

    return make


def _get_by_type(context: Any) -> Needed:
    made = factory.stored(ActionDescription, context)
    return [made], lambda: ActionDescription.get_by_type(context, made.action_type) == made


def _iterate(context: Any) -> Needed:
    audits = [factory.stored(Audit, context) for _ in range(3)]
    filters = {"uuid__in": [audit.uuid for audit in audits]}
    return audits, lambda: [*Audit.iterate(context, 2, filters=filters)] == audits


READS = {
    "get": _read(lambda context, audit: Audit.get(context, audit.id) == audit),
    "get_by_id": _read(lambda context, audit: Audit.get_by_id(context, audit.id) == audit),
    "get_by_uuid": _read(
        lambda context, audit: Audit.get_by_uuid(context, audit.uuid, eager=True).goal.id
    ),
    "get_by_name": _read(lambda context, audit: Audit.get_by_name(context, audit.name) == audit),
    "get_by_type": _get_by_type,
    "list": _read(
        lambda context, audit: Audit.list(context, filters={"uuid": audit.uuid}) == [audit]
    ),
    "iterate": _iterate,
    "refresh": _method("refresh", Audit),
    "obj_load_attr": _read(lambda context, audit: audit.goal.id == audit.goal_id),
}


_claim = _method("save", Audit, {"state": "ONGOING"})


def _create_many(context: Any) -> Needed:
    audits = [factory.built(Audit, context) for _ in range(3)]
    return audits, lambda: Audit.create_many(context, audits)


def _save_outdated(before: str, other: str, new: str) -> Callable[[Any], Needed]:
    def make(context: Any) -> Needed:
        audit = factory.stored(Audit, context, state=before)
        another = Audit.get(context, audit.id)
        another.state = other
        another.save()
        audit.state = new
        return [audit], audit.save

    return make


def _claim_of_what_is_claimed(context: Any) -> Needed:
    (audit,), save = _method("save", Audit, {"state": "ONGOING"}, state="ONGOING")(context)

    def run() -> Any:
        try:
            return save()
        except exception.InvalidStateTransition as error:
            return error.initial, error.new

    return [audit], run


def _with_owned(verb: str, **given: Any) -> Callable[[Any], Needed]:
    def make(context: Any) -> Needed:
        plan = factory.stored(ActionPlan, context, **given)
        for cls in (Action, EfficacyIndicator):
            factory.stored(cls, context, action_plan_id=plan.id)
        return [plan], getattr(plan, verb)

    return make


def _supersede_expired(context: Any) -> Needed:
    plan = factory.stored(ActionPlan, context)
    return [plan], lambda: plan.id in {one.id for one in ActionPlan.supersede_expired(context, 0)}


def _once(context: Any) -> Needed:
    audit = factory.built(Audit, context)

    def run() -> str:
        audit.obj_clone().create()
        return "answer"

    return [audit], lambda: requests.execute_once(audit.name, run)


def _claim_for_another(context: Any) -> Needed:
    """The claim as a server makes it for a client."""
    audits, _ = _claim(context)
    request = messaging.request("save", audits[0])

    def run() -> Any:
        answer = json.loads(server.Endpoint().object_action({}, request))
        if "error" in answer:
            raise wire.decode_error(answer["error"])
        return answer["old_state"]

    return audits, run


def _purged(context: Any) -> Needed:
    factory.stored(Service, context).soft_delete()
    return [], lambda: purge.remove(purge.Selection(0, types=["services"]))


def _conditional(values: dict[str, Any], expected: dict[str, Any]) -> Callable[[Any], Needed]:
    def make(context: Any) -> Needed:
        audit = factory.stored(Audit, context, hostname=None)
        return [audit], lambda: audit.conditional_update(values, expected)

    return make


def _save_if(context: Any) -> Needed:
    audit = factory.stored(Audit, context, hostname=None)
    audit.hostname = "mine"
    return [audit], lambda: audit.save_if(hostname=None, state=("PENDING", "SUSPENDED"))


def _computed(context: Any) -> Needed:
    indicator = factory.stored(EfficacyIndicator, context, value=1)
    more = {"value": EfficacyIndicator.table.c.value + 1}

    def run() -> Any:
        return indicator.conditional_update(more, {"value": 1}), indicator.value

    return [indicator], run


def _merge(others: dict[str, Any]) -> Callable[[Any], Needed]:
    def make(context: Any) -> Needed:
        audit = factory.stored(Audit, context, parameters={"n": 1}, status_message="first")
        other = Audit.get(context, audit.id)
        audit.parameters["mine"], audit.hostname = 1, "mine"
        for name, value in others.items():
            other[name] = value
        other.save()

        def run() -> Any:
            return audit.merge(), audit.parameters, audit.hostname, audit.status_message

        return [audit], run

    return make


def _modify(context: Any) -> Needed:
    audit = factory.stored(Audit, context, parameters={"n": 1})

    def count(one: Audit) -> None:
        one.parameters["n"] += 1

    return [audit], lambda: Audit.modify(context, audit.uuid, count).parameters


def _claim_by_modify(context: Any) -> Needed:
    audit = factory.stored(Audit, context)

    def claim(one: Audit) -> None:
        one.state = "ONGOING"

    return [], lambda: Audit.modify(context, audit.uuid, claim).old_state


WRITES = {
    "create": _method("create", Audit, stored=False),
    "create_many": _create_many,
    "create_named": _method("create", Service, stored=False),
    "save": _method("save", Goal, {"display_name": "other"}),
    "save_of_a_stale_object": _save_outdated("PENDING", "ONGOING", "SUCCEEDED"),
    "save_of_the_state_that_was_read": _save_outdated("ONGOING", "SUSPENDED", "ONGOING"),
    "claim": _claim,
    "claim_for_another": _claim_for_another,
    "claim_of_a_plan": _method("save", ActionPlan, {"state": "ONGOING"}, state="PENDING"),
    "claim_of_what_is_claimed": _claim_of_what_is_claimed,
    "soft_delete": _method("soft_delete", Goal),
    "soft_delete_by_state": _method("save", Audit, {"state": "DELETED"}, state="CANCELLED"),
    "soft_delete_with_owned": _with_owned("soft_delete", state="SUPERSEDED"),
    "destroy": _method("destroy", Audit),
    "destroy_with_owned": _with_owned("destroy"),
    "supersede_expired": _supersede_expired,
    "once": _once,
    "purged": _purged,
    "conditional_update": _conditional({"hostname": "mine"}, {"hostname": None}),
    "conditional_update_unmet": _conditional({"hostname": "mine"}, {"hostname": "other"}),
    "conditional_claim": _conditional({"state": "ONGOING"}, {"state": "PENDING"}),
    "computed": _computed,
    "save_if": _save_if,
    "merge": _merge({}),
    "merge_of_a_stale_object": _merge({"parameters": {"n": 2}, "status_message": "theirs"}),
    "modify": _modify,
    "claim_by_modify": _claim_by_modify,
}


def _transactional(context: Any) -> Needed:
    audit, goal = factory.stored(Audit, context), factory.built(Goal, context)
    audit.state = "ONGOING"

    @db.transactional
    def work() -> None:
        goal.create()
        audit.save()

    return [audit, goal], work


CALLS = {**READS, **WRITES, "transactional": _transactional}


class Fault(Protocol):
    """What makes one statement of a call fail, and counts how often it has."""

    raised: int


class Footprint:
    """Counts rows by their tables and states, and writes of audits by their transitions."""

    def __init__(self, connection: sa.Connection, published: list[events.Event]) -> None:
        self.connection, self.published = connection, published

    def rows(self) -> collections.Counter[Any]:
        """Return the counts."""
        found = self.connection.exec_driver_sql(_COUNTS)
        return collections.Counter({tuple(kind): number for *kind, number in found})

    def since(self, before: collections.Counter[Any]) -> dict[Any, int]:
        """Return what has changed."""
        after = self.rows()
        known = after.keys() | before.keys()
        return {kind: n for kind in known if (n := after[kind] - before[kind])}

    def kinds(self) -> list[Any]:
        """Return which events were published."""
        return [(event.resource, event.kind, event.old_state) for event in self.published]

    def of(self, needed: Needed) -> Any:
        """Make a call, and return its result and all its effects."""
        objects, call = needed
        self.published.clear()
        before = self.rows()
        result = call()
        left = [(one.obj_what_changed(), vars(one).get("_obj_state")) for one in objects]
        return result, self.since(before), self.kinds(), left


def each_statement(
    name: str, context: Any, failing: Callable[[int], AbstractContextManager[Fault]]
) -> Iterator[Needed]:
    """Yield a call whose first statement fails, whose second does, ... up to the last."""
    for at in range(1, STATEMENTS):
        needed = CALLS[name](context)
        with failing(at) as fault:
            yield needed
            if not fault.raised:
                return
    raise AssertionError(f"more than {STATEMENTS} statements")


def _counts() -> Iterator[str]:
    yield "SELECT old_state, new_state, '', count(*) FROM chaos_writes GROUP BY 1, 2"
    for name, table in models.metadata.tables.items():
        state = "state" if "state" in table.columns else "''"
        is_deleted = "CASE WHEN deleted = 0 THEN '' ELSE 'deleted' END"
        deleted = is_deleted if "deleted" in table.columns else "''"
        yield f"SELECT '{name}', {state}, {deleted}, count(*) FROM {name} GROUP BY 1, 2, 3"


_COUNTS = " UNION ALL ".join(_counts())
