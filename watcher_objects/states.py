# SPDX-License-Identifier: Apache-2.0
"""The states, and the tables of which may follow which; what a table means is said in
:mod:`watcher_objects.transitions`.
"""

import enum

from watcher_objects.transitions import ConditionalMove, StateTransitionManager


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

    #: Those of a plan that somebody has told to stop.
    CANCEL_STATES = (CANCELLING, CANCELLED)


class ActionState:
    """The states of an action; CANCELLING is known in the profile ``watcher`` only."""

    PENDING = "PENDING"
    ONGOING = "ONGOING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"


class ServiceStatus:
    """Whether a service has been heard of lately."""

    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


class AuditType(enum.Enum):
    """How often an audit runs: once, every interval, or whenever it is triggered."""

    ONESHOT = "ONESHOT"
    CONTINUOUS = "CONTINUOUS"
    EVENT = "EVENT"


class AuditStateTransitionManager(StateTransitionManager):
    """The life-cycle of an audit, as OpenStack Watcher documents it.

    An audit of type EVENT may be triggered again after it succeeded: the one conditional
    move, which :meth:`check_transition` does not know.
    """

    INITIAL = State.PENDING
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
        ConditionalMove(State.SUCCEEDED, State.ONGOING, {"audit_type": AuditType.EVENT.value}),
    )
    WATCHER_MOVES = {
        # It failed, or its end time passed, before it was said to be going on.
        State.PENDING: frozenset({State.FAILED, State.SUCCEEDED}),
        # Its goal or strategy was changed or removed.
        State.SUSPENDED: frozenset({State.CANCELLED}),
        State.SUCCEEDED: frozenset({State.CANCELLED}),
        State.FAILED: frozenset({State.CANCELLED}),
    }


class ActionPlanStateTransitionManager(StateTransitionManager):
    """The life-cycle of an action plan, as OpenStack Watcher documents it."""

    INITIAL = ActionPlanState.RECOMMENDED
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
        # It has no actions; the applier starts what nobody asked for; the API deletes it.
        ActionPlanState.RECOMMENDED: frozenset(
            {ActionPlanState.SUCCEEDED, ActionPlanState.ONGOING, ActionPlanState.DELETED}
        ),
        # The applier was restarted.
        ActionPlanState.ONGOING: frozenset({ActionPlanState.CANCELLED}),
        # Its audit's goal or strategy was changed or removed.
        ActionPlanState.SUCCEEDED: frozenset({ActionPlanState.CANCELLED}),
        ActionPlanState.FAILED: frozenset({ActionPlanState.CANCELLED}),
        ActionPlanState.SUPERSEDED: frozenset({ActionPlanState.CANCELLED}),
    }
    MAY_REPEAT = True


class ActionStateTransitionManager(StateTransitionManager):
    """The life-cycle of an action, as OpenStack Watcher documents it.

    Nothing leads to CANCELLING there. A PENDING action ends with its plan: of a plan that was
    superseded, all are.
    """

    INITIAL = ActionState.PENDING
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
        # Its plan is cancelled while it runs, ...
        ActionState.ONGOING: frozenset({ActionState.CANCELLING}),
        ActionState.CANCELLING: frozenset(
            {ActionState.CANCELLED, ActionState.SUCCEEDED, ActionState.FAILED}
        ),
        # ... or afterwards; its outcome was checked, and was none.
        ActionState.SUCCEEDED: frozenset({ActionState.FAILED, ActionState.CANCELLED}),
        ActionState.FAILED: frozenset({ActionState.CANCELLED}),
        ActionState.SKIPPED: frozenset({ActionState.CANCELLED}),
    }
    MAY_REPEAT = True
    END_WITH_OWNER = frozenset({ActionState.PENDING})
