# SPDX-License-Identifier: Apache-2.0
"""What is changed in Watcher itself, one function for each of its modules.

``watcher_on_objects.PATCHED`` names the modules; each function gets the module once it has been
executed.
"""

from types import ModuleType
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher_objects.adapter.entities import PlanWriteRejected
from watcher_objects.states import AuditType

LOG = log.getLogger("watcher_on_objects")


def claim_audits(module: ModuleType) -> None:
    """Execute an audit once that is announced twice.

    Watcher compares states before it writes: a second engine that reads ONGOING writes nothing,
    and executes the audit once more. The object that the handler keeps has the state, too; with
    that which it had before, the second run of an EVENT audit would stay ONGOING.
    """
    watcher: Any = module
    handler = watcher.AuditHandler
    execute_anyway = handler.pre_execute

    class AuditClaimed(watcher.exception.AuditCancelled):
        msg_fmt = "Audit %(uuid)s is already being executed by %(hostname)s"

    def pre_execute(self: Any, audit: Any, request_context: Any) -> None:
        if audit.audit_type == AuditType.CONTINUOUS.value:
            # One run after the other leaves it ONGOING.
            execute_anyway(self, audit, request_context)
            return
        if not audit.force:
            self.check_ongoing_action_plans(request_context)
        states = watcher.objects.audit.State
        audit.refresh(eager=True)
        if audit.state == states.ONGOING:
            raise AuditClaimed(uuid=audit.uuid, hostname=audit.hostname)
        if audit.state == states.CANCELLED:
            raise watcher.exception.AuditCancelled(uuid=audit.uuid)
        audit.hostname = cfg.CONF.host
        audit.state = states.ONGOING
        audit.save()

    handler.pre_execute = pre_execute


def claim_plans(module: ModuleType) -> None:
    """Execute an action plan once that is announced twice.

    The database lets one applier change it to ONGOING. A plan that has been cancelled is left to
    Watcher, which then cancels its actions.
    """
    watcher: Any = module
    handler = watcher.DefaultActionPlanHandler
    execute_anyway = handler.execute

    def execute(self: Any) -> None:
        states, read = watcher.objects.action_plan.State, watcher.objects.ActionPlan.get_by_uuid
        plan = read(self.ctx, self.action_plan_uuid, eager=True)
        if plan.state == states.ONGOING:
            LOG.info("Action plan %s is already executed by %s", plan.uuid, plan.hostname)
            return
        plan.hostname = cfg.CONF.host
        plan.state = states.ONGOING
        try:
            plan.save()
        except PlanWriteRejected as error:
            if error.initial != states.CANCELLED:
                LOG.info("Action plan %s is not executed: %s", plan.uuid, error)
                return
        execute_anyway(self)

    handler.execute = execute


def migrate(module: ModuleType) -> None:
    """Make ``watcher-db-manage`` use the revisions of this library."""
    from watcher_objects.adapter import migrations

    vars(module)["_IMPL"] = migrations
