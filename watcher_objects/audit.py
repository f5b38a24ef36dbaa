# SPDX-License-Identifier: Apache-2.0
"""Audits: requests to optimise a cluster for one goal, by one strategy."""

import builtins
from collections.abc import Mapping
from typing import Any, Self

from oslo_utils import uuidutils

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.fields import coercion
from watcher_objects.states import AuditStateTransitionManager, AuditType, State
from watcher_objects.versions.history import Added, AddedRelation, Changed, Data, Released

__all__ = ["Audit", "AuditStateTransitionManager", "AuditType", "State"]


def _seconds(interval: str) -> int:
    """Return an interval as a number, unless it is a cron expression."""
    if not interval.isdecimal():
        raise ValueError("it is a cron expression, not a number of seconds")
    return int(interval)


def _text(seconds: int) -> str:
    return str(coercion.to_integer("interval", seconds))


def _unnamed(data: Data) -> str:
    """Return the name of an audit that was sent in a version without names: its uuid."""
    return str(data.get("uuid") or uuidutils.generate_uuid())


@base.WatcherObjectRegistry.register
class Audit(base.Identified, base.Named, base.WatcherPersistentObject):
    """A request to optimise a cluster, and how far it has come.

    Its ``state`` moves as :class:`~watcher_objects.states.AuditStateTransitionManager` says,
    for every writer: a move that the row's state does not allow is refused by the database.
    """

    history = {
        "1.0": Released("0.32"),
        "1.1": Released("0.32", AddedRelation("goal"), AddedRelation("strategy")),
        "1.2": Released("ocata", Added("auto_trigger", False)),
        "1.3": Released(
            "pike", Added("next_run_time"), Changed("interval", older=_seconds, newer=_text)
        ),
        "1.4": Released("queens", Added("name", _unnamed)),
        "1.5": Released("rocky", Added("hostname")),
        "1.6": Released("stein", Added("start_time"), Added("end_time")),
        "1.7": Released("train", Added("force", False)),
        "1.8": Released("2025.2", Added("status_message")),
    }

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "audit_type": fields.StringField(),
        "state": fields.StringField(),
        "parameters": fields.FlexibleDictField(nullable=True),
        "interval": fields.StringField(nullable=True),
        "scope": fields.FlexibleListOfDictField(nullable=True),
        "goal_id": fields.IntegerField(),
        "strategy_id": fields.IntegerField(nullable=True),
        "auto_trigger": fields.BooleanField(),
        "next_run_time": fields.DateTimeField(nullable=True, tzinfo_aware=False),
        "hostname": fields.StringField(nullable=True),
        "start_time": fields.DateTimeField(nullable=True, tzinfo_aware=False),
        "end_time": fields.DateTimeField(nullable=True, tzinfo_aware=False),
        "force": fields.BooleanField(default=False, nullable=False),
        "goal": fields.ObjectField("Goal", nullable=True),
        "strategy": fields.ObjectField("Strategy", nullable=True),
        "status_message": fields.StringField(nullable=True),
    }

    table = models.audits
    resource = "audit"
    initial = {"auto_trigger": False}
    not_found = exception.AuditNotFound
    already_exists = exception.AuditAlreadyExists
    referenced = exception.AuditReferenced

    # The remotable methods have Watcher's parameter names, and there is none but these: both are
    # in the fingerprint, by which services see that they agree.

    @classmethod
    @base.remotable
    def get(cls, context: Any, audit_id: int | str, eager: bool = False) -> Self:
        """Return the audit with this id or uuid.

        :param context: the caller's context; deleted audits are found if its
            ``show_deleted`` is true
        :param audit_id: an id, as a number or as text, or a uuid
        :param eager: load goal and strategy too, in the same statement
        :raises InvalidIdentity: it is neither an id nor a uuid
        :raises AuditNotFound: there is no such audit, or it is deleted
        """
        return cls._find(context, audit_id, eager)

    @classmethod
    @base.remotable
    def get_by_id(cls, context: Any, audit_id: int | str, eager: bool = False) -> Self:
        """Return the audit with this id.

        :param context: as for :meth:`get`
        :param audit_id: an id, as a number or as text
        :param eager: as for :meth:`get`
        :raises InvalidIdentity: the argument is not an id
        :raises AuditNotFound: there is no such audit, or it is deleted
        """
        return cls._find_by_id(context, audit_id, eager)

    @classmethod
    @base.remotable
    def get_by_uuid(cls, context: Any, uuid: str, eager: bool = False) -> Self:
        """Return the audit with this uuid.

        :param context: as for :meth:`get`
        :param uuid: a uuid in any of its spellings
        :param eager: as for :meth:`get`
        :raises InvalidUUID: the argument is not a uuid
        :raises AuditNotFound: there is no such audit, or it is deleted
        """
        return cls._find_by_uuid(context, uuid, eager)

    @classmethod
    @base.remotable
    def get_by_name(cls, context: Any, name: str, eager: bool = False) -> Self:
        """Return the audit with this name; with ``show_deleted`` a live one before others.

        :param context: as for :meth:`get`
        :param name: the exact name, of at most 63 characters
        :param eager: as for :meth:`get`
        :raises InvalidName: no audit could have that name
        :raises AuditNotFound: there is no such audit, or it is deleted
        """
        return cls._find_by_name(context, name, eager)

    @classmethod
    @base.remotable
    def list(
        cls,
        context: Any,
        limit: int | None = None,
        marker: Self | int | str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
        eager: bool = False,
    ) -> builtins.list[Self]:
        """Return a list of audits, with one statement, and one more for each relation if eager.

        :param context: the caller's context; deleted audits are listed too if its
            ``show_deleted`` is true
        :param limit: the maximum number of objects; None for all
        :param marker: the audit that the last page ended with, or its uuid or id
        :param filters: ``field`` or ``field__operator`` to value, all of which must hold. A
            field is a column, or ``goal_...`` or ``strategy_...`` with a column of theirs; an
            operator is one of eq, neq, gt, gte, lt, lte, in, notin. None is a value like
            others: ``hostname__neq='a'`` lists audits without a hostname, too
        :param sort_key: any column but the documents ``parameters`` and ``scope``; None is
            ``id``, which also breaks ties. No value at all is the least
        :param sort_dir: ``asc``, the default, or ``desc``
        :param eager: load goal and strategy too, with one more statement for each of the two
        :raises InvalidFilter: there is no such field or operator, or a value does not fit
        :raises InvalidSortKey: there is no such column
        :raises InvalidParameter: another argument can't be used
        :raises NegativeLimitError: the limit is below 0
        :raises AuditNotFound: there is no such marker
        """
        return cls._list(context, limit, marker, filters, sort_key, sort_dir, eager)

    @base.remotable
    def refresh(self, eager: bool = False) -> None:
        """Reload the audit, which is then equal to its row, and clean.

        :param eager: read goal and strategy again, too
        :raises AuditNotFound: it is gone, or deleted and the context does not show that
        """
        super().refresh(eager=eager)

    @base.remotable
    def create(self) -> None:
        """Store the audit, which is then equal to its row, and clean.

        It needs a name, an audit_type and a goal. What else was not set is filled in: a uuid,
        the time, the state PENDING, no auto_trigger.

        :raises ObjectActionError: it is stored already
        :raises InvalidValue: a field can't be stored, or has no value and needs one
        :raises InvalidState: there is no such state
        :raises AuditAlreadyExists: the uuid is taken, or the name by an audit not deleted
        :raises GoalNotFound, StrategyNotFound: goal_id or strategy_id leads nowhere
        """
        super().create()

    @base.remotable
    def save(self) -> None:
        """Write the fields that have changed; the audit is then equal to its row, and clean.

        A change inside ``parameters`` or ``scope`` counts. Assigning a state requests a
        transition: it is written only if the row, whatever this object says, is in a state that
        leads to it; :attr:`old_state` is that one. With nothing changed, nothing is written.

        :raises AuditNotFound: it is gone, or deleted: a deleted audit takes no write
        :raises InvalidStateTransition: the row's state does not lead to the new one; its
            ``initial`` is what the row says now, ``allowed`` where that leads
        :raises InvalidState: there is no such state
        :raises InvalidValue, ReadOnlyField, AuditAlreadyExists: as for :meth:`create`
        :raises GoalNotFound, StrategyNotFound: as for :meth:`create`; after any error the audit
            is as it was
        """
        super().save()

    @base.remotable
    def soft_delete(self) -> None:
        """Mark the audit as deleted, in the state DELETED, in one statement.

        Unsaved changes are written with it. A PENDING or ONGOING audit is
        refused: it has to be cancelled, or to end, first.

        :raises AuditNotFound: it is gone, or deleted already
        :raises InvalidStateTransition: the row's state does not lead to DELETED
        """
        super().soft_delete()

    @base.remotable
    def destroy(self) -> None:
        """Remove the audit's row, in any state.

        :raises AuditNotFound: it is gone
        :raises AuditReferenced: an action plan, deleted or not, refers to it
        """
        super().destroy()
