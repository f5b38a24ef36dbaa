# SPDX-License-Identifier: Apache-2.0
"""Every public call that reaches the database: what it needs, and the call itself.

Each is a function that makes what it needs and returns the call, whose result can be compared.
"""

import json
from collections.abc import Callable
from typing import Any

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
    exception,
)
from watcher_objects.db import purge, requests
from watcher_objects.rpc import server, wire

Call = Callable[[], Any]
Needed = tuple[list[Any], Call]


def create(context: Any) -> Needed:
    goal = factory.stored(Goal, context)
    audit = factory.built(Audit, context, goal_id=goal.id)
    return [audit], audit.create


def create_many(context: Any) -> Needed:
    audits = [factory.built(Audit, context) for _ in range(3)]
    return audits, lambda: Audit.create_many(context, audits)


def create_named(context: Any) -> Needed:
    service = factory.built(Service, context)
    return [service], service.create


def get(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], lambda: Audit.get(context, audit.id) == audit


def get_by_id(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], lambda: Audit.get_by_id(context, audit.id) == audit


def get_by_type(context: Any) -> Needed:
    told = factory.stored(ActionDescription, context)
    return [told], lambda: ActionDescription.get_by_type(context, told.action_type) == told


def get_by_uuid(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], lambda: Audit.get_by_uuid(context, audit.uuid, eager=True).goal.id


def get_by_name(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], lambda: Audit.get_by_name(context, audit.name) == audit


def list_(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], lambda: Audit.list(context, filters={"uuid": audit.uuid}) == [audit]


def iterate(context: Any) -> Needed:
    audits = [factory.stored(Audit, context) for _ in range(3)]
    asked = {"uuid__in": [audit.uuid for audit in audits]}
    return audits, lambda: [*Audit.iterate(context, 2, filters=asked)] == audits


def refresh(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], audit.refresh


def obj_load_attr(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], lambda: audit.goal.id == audit.goal_id


def save(context: Any) -> Needed:
    goal = factory.stored(Goal, context)
    goal.display_name = "other"
    return [goal], goal.save


def claim(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    audit.state = "ONGOING"
    return [audit], audit.save


def save_of_a_stale_object(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    other = Audit.get(context, audit.id)
    other.state = "ONGOING"
    other.save()
    audit.state = "SUCCEEDED"
    return [audit], audit.save


def claim_of_a_plan(context: Any) -> Needed:
    plan = factory.stored(ActionPlan, context, state="PENDING")
    plan.state = "ONGOING"
    return [plan], plan.save


def claim_of_what_is_claimed(context: Any) -> Needed:
    audit = factory.stored(Audit, context, state="ONGOING")
    audit.state = "ONGOING"

    def run() -> Any:
        try:
            return audit.save()
        except exception.InvalidStateTransition as error:
            return error.initial, error.new

    return [audit], run


def save_of_the_state_that_was_read(context: Any) -> Needed:
    audit = factory.stored(Audit, context, state="ONGOING")
    other = Audit.get(context, audit.id)
    other.state = "SUSPENDED"
    other.save()
    audit.state = "ONGOING"
    return [audit], audit.save


def soft_delete(context: Any) -> Needed:
    goal = factory.stored(Goal, context)
    return [goal], goal.soft_delete


def soft_delete_by_state(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    audit.state = "CANCELLED"
    audit.save()
    audit.state = "DELETED"
    return [audit], audit.save


def _plan(context: Any) -> ActionPlan:
    plan = factory.stored(ActionPlan, context)
    for cls in (Action, EfficacyIndicator):
        factory.stored(cls, context, action_plan_id=plan.id)
    return plan


def soft_delete_with_owned(context: Any) -> Needed:
    plan = _plan(context)
    plan.state = "SUPERSEDED"
    plan.save()
    return [plan], plan.soft_delete


def destroy(context: Any) -> Needed:
    audit = factory.stored(Audit, context)
    return [audit], audit.destroy


def destroy_with_owned(context: Any) -> Needed:
    plan = _plan(context)
    return [plan], plan.destroy


def supersede_expired(context: Any) -> Needed:
    plan = factory.stored(ActionPlan, context)
    return [plan], lambda: plan.id in {one.id for one in ActionPlan.supersede_expired(context, 0)}


def once(context: Any) -> Needed:
    audit = factory.built(Audit, context)
    token = audit.name

    def run() -> str:
        audit.obj_clone().create()
        return "answer"

    return [audit], lambda: requests.execute_once(token, run)


def claim_for_another(context: Any) -> Needed:
    """The claim as a server makes it for who has no database."""
    audits, _ = claim(context)
    asked = messaging.request("save", audits[0])

    def run() -> Any:
        answer = json.loads(server.Endpoint().object_action({}, asked))
        if "error" in answer:
            raise wire.decode_error(answer["error"])
        return answer["old_state"]

    return audits, run


def purged(context: Any) -> Needed:
    factory.stored(Service, context).soft_delete()
    return [], lambda: purge.remove(purge.Selection(0, types=["services"]))


def transactional(context: Any) -> Needed:
    audit, goal = factory.stored(Audit, context), factory.built(Goal, context)
    audit.state = "ONGOING"

    @db.transactional
    def work() -> None:
        goal.create()
        audit.save()

    return [audit, goal], work


READS = (
    *(get, get_by_id, get_by_uuid, get_by_name, get_by_type),
    *(list_, iterate, refresh, obj_load_attr),
)
WRITES = (
    *(create, create_many, create_named, save, claim, save_of_a_stale_object, soft_delete),
    *(claim_of_a_plan, claim_of_what_is_claimed, save_of_the_state_that_was_read),
    *(soft_delete_by_state, soft_delete_with_owned, destroy, destroy_with_owned),
    *(supersede_expired, once, claim_for_another, purged),
)
