# SPDX-License-Identifier: Apache-2.0
"""The journal: who changed which state, from what to what, when and why.

Every call of this library that makes a transition records it, in the same transaction::

    with journal.because("host-7 is being drained"):
        audit.state = "CANCELLED"
        audit.save()
    for step in Transition.list(context, filters={"object_uuid": audit.uuid}, sort_key="seq"):
        print(step.seq, step.from_state, step.to_state, step.at, step.user_id, step.reason)
"""

from typing import Any, Self

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.db.sql.journal import because as because
from watcher_objects.db.sql.queries import Key
from watcher_objects.db.statements import column_index
from watcher_objects.persistence.reading import Readable
from watcher_objects.versions.history import Released

__all__ = ["Transition", "because"]

# Of which object, and with which number, a transition led to which state.
_LED_TO = ("object_uuid", "seq", "to_state")


@base.WatcherObjectRegistry.register
class Transition(Readable, base.WatcherObject, base.WatcherObjectDictCompat):
    """One transition of an audit, an action plan or an action; it is read-only.

    ``seq`` numbers the transitions of an object; :doc:`journal` describes all fields.
    """

    history = {"1.0": Released("2026.2")}

    fields = {
        "id": fields.IntegerField(),
        "resource": fields.StringField(),
        "object_id": fields.IntegerField(nullable=True),
        "object_uuid": fields.UUIDField(nullable=True),
        "seq": fields.IntegerField(),
        "from_state": fields.StringField(nullable=True),
        "to_state": fields.StringField(nullable=True),
        "at": fields.DateTimeField(),
        "host": fields.StringField(nullable=True),
        "user_id": fields.StringField(nullable=True),
        "project_id": fields.StringField(nullable=True),
        "request_id": fields.StringField(nullable=True),
        "kind": fields.StringField(),
        "reason": fields.StringField(nullable=True),
        "call": fields.UUIDField(nullable=True),
    }

    table = models.transitions
    not_found = exception.TransitionNotFound

    @classmethod
    def of(cls, context: Any, obj: Any, limit: int | None = None) -> list[Self]:
        """Return the transitions of an object, even a destroyed one, the last one first.

        :param context: the caller's context
        :param obj: an audit, an action plan or an action
        :param limit: the maximum number of transitions; None for all
        """
        # An id is drawn under the lock of the object's row, as ``seq`` is.
        return cls.list(context, limit, filters={"object_uuid": obj.uuid}, sort_dir="desc")

    @classmethod
    def latest(cls, context: Any, obj: Any) -> Self | None:
        """Return the last transition of an object; None if none is recorded.

        The parameters are those of :meth:`of`.
        """
        found = cls.of(context, obj, limit=1)
        return found[0] if found else None

    @property
    def gap(self) -> bool:
        """Whether no recorded transition led to ``from_state``.

        Another program wrote the state, or the earlier transition was purged. Reading this takes
        a statement, unless the same list contains the previous transition.
        """
        step: Any = self
        if step.from_state is None:
            return False
        known = self._state_before or self._find_state_before(step)
        return bool(known != step.from_state)

    #: The state that the previous transition led to, if the same list contains that.
    _state_before: str | None = None

    @classmethod
    def _not_found(cls, key: Key) -> exception.ResourceNotFound:
        return cls.not_found(transition=key["id"])

    @classmethod
    def _find_state_before(cls, step: Any) -> str | None:
        wanted = {"object_uuid": step.object_uuid, "seq": step.seq - 1}
        found: Any = cls.list(step._context, filters=wanted)
        return found[0].to_state if found else None

    @classmethod
    def _from_rows(cls, context: Any, found: Any) -> Any:
        made = super()._from_rows(context, found)
        uuid, seq, state = (column_index(cls.table, name) for name in _LED_TO)
        led_to = {(row[uuid], row[seq]): row[state] for row in found.rows}
        for one, row in zip(made, found.rows, strict=True):
            vars(one)["_state_before"] = led_to.get((row[uuid], row[seq] - 1))
        return made
