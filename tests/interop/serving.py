# SPDX-License-Identifier: Apache-2.0
"""A process of Watcher whose functions tests call."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.interop import process
from watcher_objects import Goal, Strategy

#: Calls what each line names, and prints what that has returned.
SERVE = """
from watcher.common import utils

def create():
    goal = objects.Goal.list(context)[0]
    strategy = objects.Strategy.list(context)[0]
    given = {"name": utils.generate_uuid(), "audit_type": "ONESHOT", "goal_id": goal.id}
    audit = objects.Audit(context, parameters={}, scope=[], **given)
    audit.create()
    plan = objects.ActionPlan(context, audit_id=audit.id, strategy_id=strategy.id,
                              global_efficacy=[], state="RECOMMENDED")
    plan.create()
    action = objects.Action(context, action_plan_id=plan.id, action_type="nop", parents=[],
                            input_parameters={}, state="PENDING")
    action.create()
    return [audit.uuid, plan.uuid, action.uuid]

def move(cls, uuid, state):
    moved = getattr(objects, cls).get_by_uuid(context, uuid, eager=True)
    if state == "DELETED":
        moved.soft_delete()
    else:
        moved.state = state
        moved.save()
    seeing_all = type(context)(show_deleted=True)
    listed = getattr(objects, cls).list(seeing_all, eager=True)
    return [one.state for one in listed if one.uuid == uuid]

def purge():
    import builtins, contextlib
    from watcher.db import purge
    builtins.input = lambda prompt: "y"
    with contextlib.redirect_stdout(sys.stderr):
        purge.purge(None, None, None, False, False)

for line in sys.stdin:
    name, *words = json.loads(line)
    print(json.dumps(globals()[name](*words)), flush=True)
print("null")
"""


@contextmanager
def calls(url: str) -> Iterator[Callable]:
    """Start a process of Watcher on a database; yield what calls a function of it."""
    started = process.start(SERVE, url)

    def call(*words):
        started.stdin.write(json.dumps(words) + "\n")
        started.stdin.flush()
        line = started.stdout.readline()
        return json.loads(line) if line else process.ended(started)

    yield call
    assert process.ended(started) is None


def store_strategy(context):
    """Store what an audit and its plan refer to."""
    goal = Goal(context, name="goal", display_name="Goal", efficacy_specification=[])
    goal.create()
    Strategy(context, name="strategy", display_name="Strategy", goal=goal).create()
