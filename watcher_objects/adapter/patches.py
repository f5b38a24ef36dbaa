# SPDX-License-Identifier: Apache-2.0
"""What is changed in Watcher itself, one function for each of its modules.

``watcher_on_objects.PATCHED`` names the modules; each function gets the module once it has been
executed.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher_objects import exception
from watcher_objects.adapter import notifications
from watcher_objects.states import AuditType

LOG = log.getLogger("watcher_on_objects")
_TOO_LATE = "Audit %s does not become %s: %s"


def claim_audits(module: ModuleType) -> None:
    """Execute an audit once that is announced twice, and leave its state alone if it ends late.

    Watcher compares states before it writes: a second engine that reads ONGOING writes nothing,
    and executes the audit once more. If a write is rejected, Watcher writes FAILED, also on the
    audit of the other engine.
    """
    watcher: Any = module
    handler = watcher.AuditHandler
    execute_anyway, write = handler.execute, handler.update_audit_state

    def may_begin(self: Any, audit: Any, request_context: Any) -> bool:
        try:
            if not audit.force:
                self.check_ongoing_action_plans(request_context)
        except watcher.exception.ActionPlanIsOngoing:
            return False
        return audit.audit_type != AuditType.CONTINUOUS.value

    def execute(self: Any, audit: Any, request_context: Any) -> None:
        if may_begin(self, audit, request_context):
            states = watcher.objects.audit.State
            # What the handler ends has to be ONGOING in its own object, too, not SUCCEEDED.
            audit.refresh(eager=True)
            if audit.state != states.CANCELLED and not _claim(audit, states.ONGOING):
                return
        execute_anyway(self, audit, request_context)

    handler.execute = execute
    handler.update_audit_state = staticmethod(functools.partial(_write_unless_late, write))


def _write_unless_late(write: Callable[[Any, str], None], audit: Any, state: str) -> None:
    """Write the state of an audit as Watcher does; only log it if others have ended the audit."""
    try:
        write(audit, state)
    except exception.AuditNotFound as error:
        LOG.info(_TOO_LATE, audit.uuid, state, error)
    except exception.InvalidStateTransition as error:
        # Else the next save of the object would be rejected as well.
        audit.refresh(eager=True)
        if audit.state != state:
            LOG.info(_TOO_LATE, audit.uuid, state, error)


def claim_plans(module: ModuleType) -> None:
    """Execute an action plan once that is announced twice.

    A plan that has been cancelled is left to Watcher, which then cancels its actions.
    """
    watcher: Any = module
    handler = watcher.DefaultActionPlanHandler
    execute_anyway = handler.execute

    def execute(self: Any) -> None:
        states, read = watcher.objects.action_plan.State, watcher.objects.ActionPlan.get_by_uuid
        plan = read(self.ctx, self.action_plan_uuid, eager=True)
        if plan.state == states.CANCELLED:
            execute_anyway(self)
        elif _claim(plan, states.ONGOING):
            notifications.skip_repeated(plan)
            execute_anyway(self)

    handler.execute = execute


def _claim(obj: Any, state: str) -> bool:
    """Change an object to ONGOING for this host, and return whether this call did that."""
    if obj.state != state:
        obj.hostname, obj.state = cfg.CONF.host, state
        try:
            obj.save()
            return True
        except exception.InvalidStateTransition:
            obj.refresh()
    LOG.info("%s %s is %s on %s", obj.obj_name(), obj.uuid, obj.state, obj.hostname)
    return False


def migrate(module: ModuleType) -> None:
    """Make ``watcher-db-manage`` use the revisions of this library."""
    from watcher_objects.adapter import migrations

    vars(module)["_IMPL"] = migrations
