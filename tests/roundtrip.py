# SPDX-License-Identifier: Apache-2.0
"""Calls of every kind, whose answers are the same however a session was set up."""

import datetime
from contextlib import closing, suppress

from watcher_objects import Action, Audit, ScoringEngine, db, exception, testing
from watcher_objects.testing import database

NAME = "Zürich 日本 \U0001f600 'q' \"d\" \\b %s :x "
AT = datetime.datetime(2030, 3, 5, 2, 30, 1, 654321)
#: So long that MariaDB, which sorts by the first 1024 bytes of a text, would not come to its end.
LONG = "x" * 5000
EXPECTED = {
    "kept": [
        NAME,
        {"t\\": NAME, "n": 0.1 + 0.2},
        AT,
        "",
        "tail  ",
        "description of goal",
        0.1 + 0.2,
    ],
    "is now": True,
    "states": ["PENDING", "ONGOING", "SUSPENDED"],
    "refused": ["InvalidStateTransition", "AuditAlreadyExists", "GoalNotFound", "GoalReferenced"],
    "rolled back": 5,
    "sorted": [NAME.upper(), NAME, "m0", "m1", "m2"],
    "paged": [NAME, "m2", "m1", "m0", NAME.upper()],
    "sorted by a long text": ["s0", "s3", "s2", "s1"],
    "filtered": [5, 1, 3],
    "seen by others": [("ONGOING", 0, ""), *[("PENDING", 0, None)] * 4],
    "deleted": ["ONGOING", 4, 5],
}


def answers(context, url):
    """Return what the library answers on a configured database, whose tables are empty."""
    factory = testing.Factory(context)
    goal = factory.goal(name=NAME, display_name="description of goal")
    strategy = factory.strategy(goal=goal)
    kept = {"parameters": {"t\\": NAME, "n": 0.1 + 0.2}, "next_run_time": AT, "hostname": ""}
    one = factory.audit(name=NAME, goal=goal, status_message="tail  ", **kept)
    two = factory.audit(name=NAME.upper(), goal=goal)
    Audit.create_many(context, [factory.build(Audit, name=f"m{n}", goal=goal) for n in range(3)])
    for number in range(4):
        factory.scoring_engine(name=f"s{number}", metainfo=f"{LONG}{-number % 4}")
    return {
        **_written(context, factory, one, strategy),
        "refused": list(_refused(factory, goal, two)),
        "rolled back": _rolled_back(context, factory),
        **_listed(context, url),
        "deleted": _deleted(context, one),
    }


def _written(context, factory, audit, strategy):
    got = Audit.get_by_uuid(context, audit.uuid, eager=True)
    states = []
    for state in ("ONGOING", "SUSPENDED", "ONGOING"):
        got.state = state
        got.save()
        states.append(got.old_state)
    with db.transaction():
        plan = factory.action_plan(audit=audit, strategy=strategy)
        with db.transaction():
            Action.create_many(context, [factory.build(Action, action_plan=plan)])
        value = factory.efficacy_indicator(action_plan_id=plan.id, value=0.1 + 0.2)
    value.refresh()
    fields = (got.name, got.parameters, got.next_run_time, got.hostname, got.status_message)
    age = datetime.datetime.now(datetime.UTC) - got.created_at
    return {
        "kept": [*fields, got.goal.display_name, value.value],
        "is now": abs(age) < datetime.timedelta(minutes=5),
        "states": states,
    }


def _refused(factory, goal, audit):
    audit.state = "SUCCEEDED"
    for call in (
        audit.save,
        lambda: factory.audit(name="m1", goal=goal),
        lambda: factory.audit(name="nowhere", goal_id=10**6),
        goal.destroy,
    ):
        try:
            call()
        except exception.WatcherException as error:
            yield type(error).__name__


def _rolled_back(context, factory):
    with suppress(KeyError), db.transaction():
        factory.audit(name="rolled back")
        raise KeyError
    return len(Audit.list(context))


def _listed(context, url):
    pages, last = [], None
    while page := Audit.list(context, limit=2, marker=last, sort_key="hostname", sort_dir="desc"):
        pages += page
        last = page[-1].uuid
    filters = ({"hostname__in": ["", None], "goal_name": NAME}, {"next_run_time": AT})
    named = {"name__in": [f"m{number}" for number in range(5)]}
    with closing(database.admin(url).connect()) as other:
        seen = other.exec_driver_sql("SELECT state, deleted, hostname FROM audits ORDER BY id")
        return {
            "sorted": [audit.name for audit in Audit.list(context, sort_key="name")],
            "paged": [audit.name for audit in pages],
            "sorted by a long text": _by_long_text(context),
            "filtered": [len(Audit.list(context, filters=one)) for one in (*filters, named)],
            "seen by others": [tuple(row) for row in seen],
        }


def _by_long_text(context):
    first = ScoringEngine.list(context, sort_key="metainfo", limit=1)
    rest = ScoringEngine.list(context, sort_key="metainfo", marker=first[0].uuid, limit=3)
    return [engine.name for engine in first + rest]


def _deleted(context, audit):
    audit.refresh()
    audit.state = "SUCCEEDED"
    audit.save()
    left = audit.old_state
    audit.soft_delete()
    context.show_deleted = True
    everything = len(Audit.list(context))
    context.show_deleted = False
    return [left, len(Audit.list(context)), everything]
