# SPDX-License-Identifier: Apache-2.0
"""The fields of the ten classes, and of which kind each is."""

from tests.inputs import documents, kinds
from tests.inputs.kinds import optional, required, text
from tests.inputs.verdicts import Refusal, rule
from watcher_objects import exception

_GOAL = kinds.reference(exception.GoalNotFound, "There is no goal {}")
_STRATEGY = kinds.reference(exception.StrategyNotFound, "There is no strategy {}")
_AUDIT = kinds.reference(exception.AuditNotFound, "There is no audit {}")
_PLAN = kinds.reference(exception.ActionPlanNotFound, "There is no action plan {}")
_NO_PLAN_STATE = (
    "None is no state; there are RECOMMENDED, PENDING, ONGOING, CANCELLING, SUCCEEDED, FAILED, "
    "CANCELLED, SUPERSEDED, DELETED"
)
_NO_ACTION_STATE = (
    "None is no state; there are PENDING, ONGOING, CANCELLING, SUCCEEDED, FAILED, SKIPPED, "
    "CANCELLED, DELETED"
)
_NAME = required(text(63))
_WORDS = optional(text(255))
_TIME = kinds.time(aware=False)

#: What create() takes besides, and save() does not.
FROZEN = {
    "id": required(kinds.IDENT),
    "uuid": required(kinds.UUID),
    "created_at": kinds.time(),
    "updated_at": optional(kinds.time()),
    "deleted_at": [
        (kinds.NOON, rule("is soft_delete's to write", by_filters=False)),
        ("yesterday", rule("takes a datetime, or ISO 8601 text")),
        *optional([]),
    ],
}
FIELDS = {
    "Goal": {
        "name": _NAME,
        "display_name": _NAME,
        "efficacy_specification": required(documents.array()),
    },
    "Strategy": {
        "name": _NAME,
        "display_name": _NAME,
        "goal_id": required(_GOAL),
        "parameters_spec": optional(documents.mapping(), {}),
    },
    "AuditTemplate": {
        "name": _NAME,
        "description": _WORDS,
        "scope": optional(documents.array(), []),
        "default_parameters": optional(documents.mapping(), {}),
        "goal_id": required(_GOAL),
        "strategy_id": optional(_STRATEGY),
    },
    "Audit": {
        "name": _NAME,
        "audit_type": required(text(20)),
        "state": required(
            kinds.state("PENDING", "ONGOING, SUSPENDED, SUCCEEDED, FAILED, CANCELLED, DELETED")
        ),
        "parameters": optional(documents.mapping(), {}),
        "interval": optional(kinds.INTERVAL),
        "scope": optional(documents.array(), []),
        "goal_id": required(_GOAL),
        "strategy_id": optional(_STRATEGY),
        "auto_trigger": required(kinds.BOOLEAN),
        "next_run_time": optional(_TIME),
        "hostname": _WORDS,
        "start_time": optional(_TIME),
        "end_time": optional(_TIME),
        "force": optional(kinds.BOOLEAN, False),
        "status_message": _WORDS,
    },
    "ActionPlan": {
        "audit_id": required(_AUDIT),
        "strategy_id": required(_STRATEGY),
        "state": [
            *kinds.state(
                "RECOMMENDED",
                "PENDING, ONGOING, CANCELLING, SUCCEEDED, FAILED, CANCELLED, SUPERSEDED, DELETED",
            ),
            (None, Refusal(exception.InvalidState, _NO_PLAN_STATE, by_filters=False)),
        ],
        "global_efficacy": optional(documents.array(), []),
        "hostname": _WORDS,
        "status_message": _WORDS,
    },
    "Action": {
        "action_plan_id": required(_PLAN),
        "action_type": required(text(255)),
        "input_parameters": optional(documents.mapping()),
        "state": [
            *kinds.state(
                "PENDING", "ONGOING, CANCELLING, SUCCEEDED, FAILED, SKIPPED, CANCELLED, DELETED"
            ),
            (None, Refusal(exception.InvalidState, _NO_ACTION_STATE, by_filters=False)),
        ],
        "parents": optional(documents.texts()),
        "status_message": _WORDS,
    },
    "EfficacyIndicator": {
        "action_plan_id": required(_PLAN),
        "name": _NAME,
        "description": _WORDS,
        "unit": optional(text(63)),
        "value": required(kinds.NUMBER),
    },
    "ScoringEngine": {
        "name": _NAME,
        "description": _WORDS,
        "metainfo": optional(kinds.long_text(65535)),
    },
    "Service": {
        "name": required(text(255)),
        "host": required(text(255)),
        "last_seen_up": optional(_TIME),
    },
    "ActionDescription": {
        "action_type": required(text(255)),
        "description": required(text(255)),
    },
}
