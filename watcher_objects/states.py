# SPDX-License-Identifier: Apache-2.0
"""The states, and the tables of legal transitions.

:mod:`watcher_objects.transitions` explains the tables.
"""

import enum

from watcher_objects.transitions import GuardedTransition, StateTransitionManager


class State:
    """The states of an audit."""

    PENDING = "PENDING"
    ONGOING = "ONGOING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


class ActionPlanState:
    """The states of an action plan."""

    RECOMMENDED = "RECOMMENDED"
    PENDING = "PENDING"
    ONGOING = "ONGOING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    SUPERSEDED = "SUPERSEDED"
    DELETED = "DELETED"

    #: The states of a plan whose cancellation was requested.
    CANCEL_STATES = (CANCELLING, CANCELLED)


class ActionState:
    """The states of an action; CANCELLING is used only in the profile ``watcher``."""

    PENDING = "PENDING"
    ONGOING = "ONGOING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"


class ServiceStatus:
    """The status of a service, by its last heartbeat."""

    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


class AuditType(enum.Enum):
    """The type of an audit: it runs once, at an interval, or when it is triggered."""

    ONESHOT = "ONESHOT"
    CONTINUOUS = "CONTINUOUS"
    EVENT = "EVENT"


class AuditStateTransitionManager(StateTransitionManager):
    """The life cycle of an audit, as OpenStack Watcher documents it.

    An audit of type EVENT may be triggered again after it succeeded. This is the only conditional
    transition; :meth:`check_transition` ignores it.
    """

    INITIAL = State.PENDING
    WAITING = State.PENDING
    RUNNING = State.ONGOING
    TRANSITIONS = {
        State.PENDING: frozenset({State.ONGOING, State.CANCELLED}),
        State.ONGOING: frozenset(
            {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SUSPENDED}
        ),
        State.SUSPENDED: frozenset({State.ONGOING, State.DELETED}),
        State.SUCCEEDED: frozenset({State.DELETED}),
        State.FAILED: frozenset({State.DELETED}),
        State.CANCELLED: frozenset({State.DELETED}),
        State.DELETED: frozenset(),
    }
    INACTIVE_STATES = (State.CANCELLED, State.DELETED, State.FAILED, State.SUSPENDED)
    CONDITIONAL_MOVES = (
        GuardedTransition(State.SUCCEEDED, State.ONGOING, {"audit_type": AuditType.EVENT.value}),
    )
    WATCHER_MOVES = {
        # It failed, or its end time passed, before ONGOING was saved.
        State.PENDING: frozenset({State.FAILED, State.SUCCEEDED}),
        # Its goal or strategy was changed or removed.
        State.SUSPENDED: frozenset({State.CANCELLED}),
        State.SUCCEEDED: frozenset({State.CANCELLED}),
        State.FAILED: frozenset({State.CANCELLED}),
    }


class ActionPlanStateTransitionManager(StateTransitionManager):
    """The life cycle of an action plan, as OpenStack Watcher documents it."""

    INITIAL = ActionPlanState.RECOMMENDED
    WAITING = ActionPlanState.PENDING
    RUNNING = ActionPlanState.ONGOING
    TRANSITIONS = {
        ActionPlanState.RECOMMENDED: frozenset(
            {ActionPlanState.PENDING, ActionPlanState.CANCELLED, ActionPlanState.SUPERSEDED}
        ),
        ActionPlanState.PENDING: frozenset({ActionPlanState.ONGOING, ActionPlanState.CANCELLED}),
        ActionPlanState.ONGOING: frozenset(
            {ActionPlanState.SUCCEEDED, ActionPlanState.FAILED, ActionPlanState.CANCELLING}
        ),
        ActionPlanState.CANCELLING: frozenset({ActionPlanState.CANCELLED, ActionPlanState.FAILED}),
        ActionPlanState.SUCCEEDED: frozenset({ActionPlanState.DELETED}),
        ActionPlanState.FAILED: frozenset({ActionPlanState.DELETED}),
        ActionPlanState.CANCELLED: frozenset({ActionPlanState.DELETED}),
        ActionPlanState.SUPERSEDED: frozenset({ActionPlanState.DELETED}),
        ActionPlanState.DELETED: frozenset(),
    }
    INACTIVE_STATES = (
        ActionPlanState.SUCCEEDED,
        ActionPlanState.FAILED,
        ActionPlanState.CANCELLED,
        ActionPlanState.SUPERSEDED,
        ActionPlanState.DELETED,
    )
    WATCHER_MOVES = {
        # It has no actions; the applier starts it without a request; the API deletes it.
        ActionPlanState.RECOMMENDED: frozenset(
            {ActionPlanState.SUCCEEDED, ActionPlanState.ONGOING, ActionPlanState.DELETED}
        ),
        # The applier was restarted.
        ActionPlanState.ONGOING: frozenset({ActionPlanState.CANCELLED}),
        # It was cancelled while its last action ran.
        ActionPlanState.CANCELLING: frozenset({ActionPlanState.SUCCEEDED}),
        # Its audit's goal or strategy was changed or removed.
        ActionPlanState.SUCCEEDED: frozenset({ActionPlanState.CANCELLED}),
        ActionPlanState.FAILED: frozenset({ActionPlanState.CANCELLED}),
        ActionPlanState.SUPERSEDED: frozenset({ActionPlanState.CANCELLED}),
    }
    WATCHER_SELF_TRANSITIONS = True


class ActionStateTransitionManager(StateTransitionManager):
    """The life cycle of an action, as OpenStack Watcher documents it.

    No documented transition leads to CANCELLING. PENDING actions are deleted with their plan: all
    actions of a superseded plan are PENDING.
    """

    INITIAL = ActionState.PENDING
    WAITING = ActionState.PENDING
    RUNNING = ActionState.ONGOING
    TRANSITIONS = {
        ActionState.PENDING: frozenset(
            {
                ActionState.ONGOING,
                ActionState.SKIPPED,
                ActionState.FAILED,
                ActionState.CANCELLED,
            }
        ),
        ActionState.ONGOING: frozenset(
            {ActionState.SUCCEEDED, ActionState.FAILED, ActionState.CANCELLED}
        ),
        ActionState.CANCELLING: frozenset(),
        ActionState.SUCCEEDED: frozenset({ActionState.DELETED}),
        ActionState.FAILED: frozenset({ActionState.DELETED}),
        ActionState.SKIPPED: frozenset({ActionState.DELETED}),
        ActionState.CANCELLED: frozenset({ActionState.DELETED}),
        ActionState.DELETED: frozenset(),
    }
    INACTIVE_STATES = (
        ActionState.SUCCEEDED,
        ActionState.FAILED,
        ActionState.SKIPPED,
        ActionState.CANCELLED,
        ActionState.DELETED,
    )
    WATCHER_MOVES = {
        # Its plan is deleted.
        ActionState.PENDING: frozenset({ActionState.DELETED}),
        # Its plan is cancelled while the action runs ...
        ActionState.ONGOING: frozenset({ActionState.CANCELLING}),
        ActionState.CANCELLING: frozenset(
            {ActionState.CANCELLED, ActionState.SUCCEEDED, ActionState.FAILED}
        ),
        # ... or afterwards; a check of its outcome failed.
        ActionState.SUCCEEDED: frozenset({ActionState.FAILED, ActionState.CANCELLED}),
        ActionState.FAILED: frozenset({ActionState.CANCELLED}),
        ActionState.SKIPPED: frozenset({ActionState.CANCELLED}),
    }
    WATCHER_SELF_TRANSITIONS = True
    END_WITH_OWNER = frozenset({ActionState.PENDING})
