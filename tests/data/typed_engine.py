# SPDX-License-Identifier: Apache-2.0
"""What type checkers are to know of an engine; they report the lines marked ``error``, and why."""

import datetime
from typing import Any, assert_type

from oslo_context.context import RequestContext

from watcher_objects import Action, ActionPlan, Audit, Goal, Strategy, db, events, exception
from watcher_objects.audit import AuditType, State
from watcher_objects.db import migration


def connect(url: str) -> RequestContext:
    db.configure(url)
    migration.upgrade()
    return RequestContext()


@db.transactional
def claim(audit: Audit, hostname: str) -> bool:
    audit.state = State.ONGOING
    audit.hostname = hostname
    try:
        audit.save()
    except exception.InvalidStateTransition as lost:
        print(audit.name, "is", lost.initial)
        return False
    return True


def run(context: RequestContext) -> list[str]:
    goal = Goal(context, name="goal", display_name="Goal", efficacy_specification=[])
    goal.create()
    audit = Audit(context, name="audit", audit_type=AuditType.ONESHOT.value, goal=goal)
    audit.create()
    Audit.create_many(context, [Audit(context, name="other", goal_id=goal.id)])
    names: list[str] = []
    for audit in Audit.list(context, filters={"state": "PENDING"}, limit=3, eager=True):
        if claim(audit, hostname="here"):
            names.append(audit.name.upper())
    for audit in Audit.iterate(context, batch=10):
        assert_type(audit, Audit)
    with db.transaction():
        audit.refresh()
        audit.soft_delete()
    return names


def report(event: events.Event) -> None:
    print(event.resource, event.kind, event.old_state)


def check_types(context: RequestContext, audit: Audit, plan: ActionPlan, action: Action) -> None:
    assert_type(audit.id, int)
    assert_type(audit.state, str)
    assert_type(audit.force, bool)
    assert_type(audit.parameters, dict[str, Any] | None)
    assert_type(audit.start_time, datetime.datetime | None)
    assert_type(audit.goal, Goal)
    assert_type(audit.strategy, Strategy | None)
    assert_type(audit.old_state, str | None)
    assert_type(plan.audit.goal.name, str)
    assert_type(action.parents, list[str] | None)
    assert_type(Audit.list(context), list[Audit])
    assert_type(Goal.list(context, sort_key="name"), list[Goal])
    assert_type(Audit.get_by_uuid(context, "uuid"), Audit)
    assert_type(Goal.get(context, 3), Goal)
    assert_type(ActionPlan.supersede_expired(context, 1.5), list[ActionPlan])
    assert_type(claim(audit, "here"), bool)
    assert_type(events.subscribe(report)(), None)
    assert_type(audit.save_if(hostname=None, state=("PENDING", "ONGOING")), bool)
    assert_type(audit.conditional_update({"force": True}, {"name": db.Not(None)}), bool)
    assert_type(Audit.modify(context, audit.uuid, lambda one: claim(one, "here")), Audit)


def make_mistakes(context: RequestContext, audit: Audit) -> None:
    audit.stat = "ONGOING"  # error: stat
    audit.state = 3  # error: str
    print(audit.nothing)  # error: nothing
    print(audit.parameters["cpu"])  # error: None
    print(audit.strategy.name)  # error: name
    Audit(context, nmae="audit")  # error: nmae
    Audit(context, name=3)  # error: str
    Audit.list(context, limits=3)  # error: limits
    Audit.list(context, limit="3")  # error: int
    Goal.get_by_uuid(context)  # error: uuid
    Goal.get_by_uid(context, "uuid")  # error: get_by_uid
    Goal.list(context)[0].state = "ONGOING"  # error: state
    audit.save_if("here")  # error: argument
    audit.conditional_update({"name": "a"})  # error: expected
    Audit.modify(context, 3, lambda one: one.nam)  # error: nam
    claim(audit)  # error: hostname
    claim(audit, 3)  # error: str
