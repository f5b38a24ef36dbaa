# SPDX-License-Identifier: Apache-2.0
"""Every error that this library raises, except those of oslo.versionedobjects:
OrphanedObjectError, ObjectActionError, IncompatibleObjectVersion, InvalidTargetVersion and
UnsupportedObjectError.

::

    WatcherException                     the base class of all errors
    ├── Invalid (ValueError)             400  invalid input
    │   ├── InvalidValue                      a field cannot hold the value
    │   ├── InvalidFilter                     unknown or invalid filter
    │   │   └── InvalidOperator
    │   ├── InvalidSortKey, InvalidIdentity, InvalidUUID, InvalidName, InvalidState, ...
    │   ├── InvalidPrimitive, InvalidMessage  invalid input from another service
    │   ├── UnknownField (AttributeError)
    │   ├── MissingReference                  a foreign key refers to no row
    │   └── Referenced                        other rows refer to the row
    │       └── AuditReferenced, GoalReferenced, ...
    ├── Conflict                         409  conflict with stored data
    │   ├── DuplicateKey
    │   ├── KeyReused                         another request has the idempotency key
    │   ├── AlreadyExists                     a unique key exists; ``fields`` names it
    │   │   └── AuditAlreadyExists, GoalAlreadyExists, ...
    │   ├── InvalidStateTransition
    │   ├── UnexpectedValues                  a row does not hold what a call expects
    │   ├── LeaseLost                         a worker's claim was revoked or taken over
    │   └── MergeConflict                     two writers changed a field to different values
    ├── ObjectNotFound
    │   └── ResourceNotFound             404
    │       └── AuditNotFound, GoalNotFound, ...
    ├── FieldNotSet (NotImplementedError)
    ├── RemoteFailure, ServerUnavailable 503, ReplyTimeout (TimeoutError) 504
    ├── UnsupportedError
    │   ├── NoOlderForm                       an older version cannot represent a value
    │   └── NoMergeBase                       it is not known what the row held at first
    └── DatabaseError                    500  the cause is in __cause__
        ├── DatabaseNotConfigured
        ├── WriteSuppressed                   a trigger or a policy suppressed a write
        └── DatabaseUnavailable          503  ... the same call may succeed later
            └── OutcomeUnknown                ... or may already have taken effect

The first line of a class's docstring is its message, formatted with the keyword arguments;
``msg_fmt`` in a subclass replaces it. Names, bases, codes and keyword arguments are those of
Watcher.
"""

import re
import types
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

# Other types may contain confidential data.
_SHOWN = (str, int, float, uuid.UUID, types.NoneType)


def safe_repr(value: Any) -> str:
    """Return the representation of a value in messages: printable, short, without JSON data."""
    kind = type(value).__name__
    try:
        text = str(value) if isinstance(value, _SHOWN) else f"a {kind}"
    except ValueError:
        text = f"a huge {kind}"
    return escape_control(text if len(text) <= 500 else f"{text[:500]}...")


def escape_control(text: str) -> str:
    """Return a text in which unprintable and control characters are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


# NUL and unpaired surrogates, which stand for the bytes of a file's name that is not UTF-8.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def replace_unstorable(text: str) -> str:
    """Return a text of the same length, with U+FFFD for each character that no database stores."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_text(error: object, length: int = 255) -> str:
    """Return the text of an error, or of another object, in a form that a column can store.

    NUL and unpaired surrogates become U+FFFD, and a text that is too long is truncated and ends
    with ``...``. An error without a text is represented by the name of its class::

        action.status_message = exception.storable_text(error)

    :param length: the length of the column in characters; that of ``status_message`` is 255
    """
    try:
        text = str(error)
    except Exception:
        text = ""
    if not text and isinstance(error, BaseException):
        text = type(error).__name__
    if len(text) > length:
        text = f"{text[: max(length - 3, 0)]}..."[:length]
    return replace_unstorable(text)


@contextmanager
def annotate_index(index: int) -> Iterator[None]:
    """Set the ``index`` of an error to the position of the object or row that raised it."""
    try:
        yield
    except Exception as error:
        error.index = index  # type: ignore[attr-defined]
        raise


@contextmanager
def prefix_index(name: str) -> Iterator[None]:
    """Prefix the message of an error with the name and index of the object that raised it."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "index"):
            error.args = (f"{name}[{error.index}]: {error}",)
        raise


class _Error(Exception):
    """The base of the base class: Python does not change the bases of what has Exception alone."""


class WatcherException(_Error):
    """Unknown error"""

    code: ClassVar[int] = 500
    headers: ClassVar[dict[str, str]] = {}
    safe: ClassVar[bool] = False
    msg_fmt: ClassVar[str] = "Unknown error"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "msg_fmt" not in vars(cls) and cls.__doc__:
            cls.msg_fmt = cls.__doc__.strip().splitlines()[0]

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = {"code": self.code, **kwargs}
        # Not super(): of the bases that catch_as adds, none shall format a message of its own.
        Exception.__init__(self, message if message is not None else self._filled())

    def _filled(self) -> str:
        shown = {key: safe_repr(value) for key, value in self.kwargs.items()}
        try:
            return self.msg_fmt % shown
        except (KeyError, TypeError, ValueError):
            del shown["code"]
            return f"{self.msg_fmt} {shown}"

    def __str__(self) -> str:
        return str(self.args[0])

    def format_message(self) -> str:
        """Return the message; Watcher's API calls this method."""
        return str(self)


class Invalid(WatcherException, ValueError):
    """Invalid input"""

    code = 400


class Conflict(WatcherException):
    """Conflict with stored data"""

    code = 409


class ObjectNotFound(WatcherException):
    """%(name)s %(id)s not found"""


class ResourceNotFound(ObjectNotFound):
    """%(name)s %(id)s not found"""

    code = 404


class UnsupportedError(WatcherException):
    """Not supported"""


# --- versions -----------------------------------------------------------------------------


class NoOlderForm(UnsupportedError):
    """Cannot represent %(field)s of %(objname)s in version %(version)s: %(reason)s"""


class InvalidPrimitive(Invalid):
    """Invalid primitive: %(reason)s"""


# --- RPC ----------------------------------------------------------------------------------


class InvalidMessage(Invalid):
    """Invalid message: %(reason)s"""


class RemoteFailure(WatcherException):
    """The server failed in %(method)s; see its log"""


class ServerUnavailable(WatcherException):
    """Request %(method)s was not sent: %(reason)s"""

    code = 503


class ReplyTimeout(WatcherException, TimeoutError):
    """No reply to %(method)s within %(seconds)s s; its outcome is unknown"""

    code = 504


# --- values, fields and arguments ---------------------------------------------------------


class InvalidValue(Invalid):
    """%(field)s %(allowed)s, got %(kind)s"""


class InvalidParameter(Invalid):
    """%(parameter)s must be %(parameter_type)s"""


class UnknownField(Invalid, AttributeError):
    """%(objname)s has no field %(field)s%(hint)s"""


class ReadOnlyField(Invalid):
    """%(field)s of a stored %(objname)s is read-only"""


class FieldNotSet(WatcherException, NotImplementedError):
    """%(field)s of this %(objname)s is not set and cannot be loaded"""


class InvalidIdentity(Invalid):
    """Expected an id or a uuid, got %(identity)s"""


class InvalidUUID(Invalid):
    """Expected a uuid, got %(uuid)s"""


class InvalidName(Invalid):
    """Expected a name, got %(name)s"""


class InvalidIntervalOrCron(Invalid):
    """Expected a number of seconds or a cron expression, got %(name)s"""


class InvalidFilter(Invalid):
    """Invalid filter %(filter)s: %(reason)s"""


class InvalidOperator(InvalidFilter):
    """Invalid filter %(filter)s: the operator must be one of %(valid_operators)s"""


class InvalidSortKey(Invalid):
    """Unknown sort key %(sort_key)s; expected one of %(allowed)s"""


class NegativeLimitError(Invalid):
    """The limit must be an integer of at least 0, got %(limit)s"""


class MissingReference(Invalid):
    """%(column)s %(value)s does not exist"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.column: str = kwargs.get("column", "")
        self.value: Any = kwargs.get("value")


class Referenced(Invalid):
    """Other rows still refer to %(name)s %(id)s"""


class DuplicateKey(Conflict):
    """A row with the same %(columns)s already exists"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.columns: Collection[str] = kwargs.get("columns", ())
        super().__init__(message, **{**kwargs, "columns": ", ".join(self.columns)})


class KeyReused(Conflict):
    """Idempotency key %(key)s is in use for %(user)s"""


class AlreadyExists(Conflict):
    """The row already exists"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        #: The fields whose values another row has, together.
        self.fields: Collection[str] = tuple(kwargs.get("fields", ()))
        super().__init__(message, **kwargs)

    def _filled(self) -> str:
        message = super()._filled()
        if not self.fields:
            return message
        are = "is" if len(self.fields) == 1 else "are"
        return f"{message}: its {' and '.join(self.fields)} {are} taken"


# --- states -------------------------------------------------------------------------------


class NotUnique(Conflict):
    """Several rows of %(name)s match"""


class InvalidState(Invalid):
    """Unknown state %(state)s; expected one of %(allowed)s"""


class InvalidStateTransition(Conflict):
    """Cannot change %(id)s in %(name)s from %(initial)s to %(new)s; allowed: %(choice)s"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        choice = ", ".join(kwargs.get("allowed", ())) or "none"
        super().__init__(message, choice=choice, **kwargs)
        self.initial: str | None = kwargs.get("initial")
        self.new: str | None = kwargs.get("new")
        self.allowed: Collection[str] = kwargs.get("allowed", ())


# --- claims --------------------------------------------------------------------------------


class WorkerNotFound(ResourceNotFound):
    """Worker %(worker)s not found"""


class WorkerLost(WatcherException):
    """Worker %(worker)s is dead, as it sent no heartbeat for %(ttl)s seconds"""


class LeaseLost(Conflict):
    """The lease on %(id)s in %(name)s is lost: %(reason)s"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        #: The state that the object was found in; None if it is not known, or the object is gone.
        self.initial: str | None = kwargs.get("initial")


# --- conditional writes and merges ---------------------------------------------------------


class UnexpectedValues(Conflict):
    """%(field)s of %(id)s in %(name)s does not hold an expected value"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        #: The row as it was found; no message contains it.
        self.cells: Any = kwargs.pop("cells", None)
        super().__init__(message, **kwargs)


class MergeConflict(Conflict):
    """Another writer has changed %(field)s of %(id)s in %(name)s to another value"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        #: The field, and for a JSON document the keys that lead to the values below.
        self.field: str = kwargs.get("field", "")
        self.path: tuple[str, ...] = tuple(kwargs.pop("path", ()))
        #: What was read, what this object has, and what the row has; for a key that a document
        #: does not contain, ``merging.MISSING``. No message contains them.
        self.base: Any = kwargs.pop("base", None)
        self.mine: Any = kwargs.pop("mine", None)
        self.theirs: Any = kwargs.pop("theirs", None)
        super().__init__(message, **kwargs)


class NoMergeBase(UnsupportedError):
    """Cannot merge %(field)s of this %(objname)s, %(reason)s: refresh() it before a change"""


# --- goals and strategies -----------------------------------------------------------------


class GoalNotFound(ResourceNotFound):
    """Goal %(goal)s not found"""


class GoalAlreadyExists(AlreadyExists):
    """Goal %(uuid)s already exists"""


class GoalReferenced(Referenced):
    """Strategies, templates or audits still refer to goal %(goal)s"""


class InvalidStrategy(Invalid):
    """Invalid strategy %(strategy)s"""


class StrategyNotFound(ResourceNotFound):
    """Strategy %(strategy)s not found"""


class StrategyAlreadyExists(AlreadyExists):
    """Strategy %(uuid)s already exists"""


class StrategyReferenced(Referenced):
    """Templates, audits or action plans still refer to strategy %(strategy)s"""


# --- audit templates and audits -----------------------------------------------------------


class AuditTemplateNotFound(ResourceNotFound):
    """Audit template %(audit_template)s not found"""


class AuditTemplateAlreadyExists(AlreadyExists):
    """Audit template %(audit_template)s already exists"""


class AuditNotFound(ResourceNotFound):
    """Audit %(audit)s not found"""


class AuditAlreadyExists(AlreadyExists):
    """Audit %(audit)s already exists"""


class AuditReferenced(Referenced):
    """Action plans still refer to audit %(audit)s"""


class AuditIntervalNotSpecified(Invalid):
    """An audit of type %(audit_type)s requires an interval"""


class AuditIntervalNotAllowed(Invalid):
    """An audit of type %(audit_type)s must not have an interval"""


class AuditStartEndTimeNotAllowed(Invalid):
    """An audit of type %(audit_type)s must not have a start or end time"""


# --- action plans, actions and what belongs to them ---------------------------------------


class ActionPlanNotFound(ResourceNotFound):
    """Action plan %(action_plan)s not found"""


class ActionPlanAlreadyExists(AlreadyExists):
    """Action plan %(uuid)s already exists"""


class ActionPlanReferenced(Referenced):
    """Actions still refer to action plan %(action_plan)s"""


class ActionNotFound(ResourceNotFound):
    """Action %(action)s not found"""


class ActionAlreadyExists(AlreadyExists):
    """Action %(uuid)s already exists"""


class ActionReferenced(Referenced):
    """Other rows still refer to action %(action)s"""


class EfficacyIndicatorNotFound(ResourceNotFound):
    """Efficacy indicator %(efficacy_indicator)s not found"""


class EfficacyIndicatorAlreadyExists(AlreadyExists):
    """Efficacy indicator %(uuid)s already exists"""


class ScoringEngineNotFound(ResourceNotFound):
    """Scoring engine %(scoring_engine)s not found"""


class ScoringEngineAlreadyExists(AlreadyExists):
    """Scoring engine %(uuid)s already exists"""


class ServiceNotFound(ResourceNotFound):
    """Service %(service)s not found"""


class ServiceAlreadyExists(AlreadyExists):
    """Service %(name)s on %(host)s already exists"""


class ActionDescriptionNotFound(ResourceNotFound):
    """Action description %(action_id)s not found"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        # Watcher's keyword differs from the name of the resource here.
        super().__init__(message, **{"action_id": kwargs.get("action_description"), **kwargs})


class ActionDescriptionAlreadyExists(AlreadyExists):
    """Action description of type %(action_type)s already exists"""


# --- the database -------------------------------------------------------------------------


class TransitionNotFound(ResourceNotFound):
    """Transition %(transition)s not found"""


class DatabaseError(WatcherException):
    """Database error: %(reason)s"""


class InvalidRevision(Invalid):
    """Cannot migrate the schema: %(reason)s"""


class DatabaseNotConfigured(DatabaseError):
    """No database: call watcher_objects.db.configure('sqlite:///audits.sqlite') first"""


class WriteSuppressed(DatabaseError):
    """The database did not write %(id)s in %(name)s: %(reason)s"""


class DatabaseUnavailable(DatabaseError):
    """The database is unavailable or too busy: %(reason)s"""

    code = 503

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        #: Whether the call certainly had no effect, so that it can be repeated.
        self.may_retry: bool = kwargs.get("may_retry", False)
        #: Whether the connection was lost before the answer arrived.
        self.is_lost: bool = kwargs.get("is_lost", False)
        #: The version of the row that a lost UPDATE expected.
        self.expected: Any = None
        #: Whether the journal already has the number of the transition.
        self.is_history_ahead: bool = kwargs.get("is_history_ahead", False)

    def nothing_happened(self) -> None:
        """Mark the call as repeatable, because it had not changed anything."""
        if self.is_lost:
            self.may_retry, self.is_lost = True, False


class OutcomeUnknown(DatabaseUnavailable):
    """The outcome of the write is unknown: %(reason)s"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        #: The result and the callbacks of the transaction, in case it was committed.
        self.answer: Any = None
        self.not_run: Collection[Callable[[], None]] = ()

    def nothing_happened(self) -> None:
        """Do nothing: a lost COMMIT may have taken effect."""


# --- raised and caught by Watcher's services only ------------------------------------------
# This library raises none of these errors. Code of Watcher that uses the library finds them
# under their usual names.


class NotAuthorized(WatcherException):
    """Not authorized"""

    code = 403


class InvalidUuidOrName(Invalid):
    """Expected a uuid or a name, got %(name)s"""


class CronFormatIsInvalid(Invalid):
    """Invalid cron expression: %(message)s"""


class DeleteError(Invalid):
    """Objects in state %(state)s cannot be deleted"""


class StartError(Invalid):
    """Objects in state %(state)s cannot be started"""


class PatchError(Invalid):
    """Cannot apply the patch %(patch)s: %(reason)s"""


class NotSoftDeletedStateError(WatcherException):
    """%(name)s %(id)s has not been soft-deleted"""


class InvalidGoal(Invalid):
    """Invalid goal %(goal)s"""


class InvalidAudit(Invalid):
    """Invalid audit %(audit)s"""


class InvalidActionPlan(Invalid):
    """Invalid action plan %(action_plan)s"""


class EagerlyLoadedAuditRequired(InvalidAudit):
    """The audit %(audit)s was loaded without its goal and strategy"""


class AuditCancelled(WatcherException):
    """Audit %(uuid)s has been cancelled"""


class AuditTypeNotFound(Invalid):
    """Unknown audit type %(audit_type)s"""


class AuditTypeNotAllowed(Invalid):
    """The audit type %(audit_type)s is not allowed here"""


class AuditStateNotAllowed(Invalid):
    """The audit state %(state)s is not allowed here"""


class AuditParameterNotAllowed(Invalid):
    """The audit parameter %(parameter)s is not allowed here"""


class EagerlyLoadedActionPlanRequired(InvalidActionPlan):
    """The action plan %(action_plan)s was loaded without its audit and strategy"""


class EagerlyLoadedActionRequired(InvalidActionPlan):
    """The action %(action)s was loaded without its action plan"""


class ActionPlanCancelled(WatcherException):
    """Action plan %(uuid)s has been cancelled"""


class ActionPlanIsOngoing(Conflict):
    """Action plan %(action_plan)s is running"""


class NotificationPayloadError(WatcherException):
    """The notification %(class_name)s was sent before its payload was filled"""


# --- the errors of another module -----------------------------------------------------------


def catch_as(module: types.ModuleType) -> None:
    """Make every error an instance of the class of the same name in another module, too.

    ``except module.AuditNotFound`` then also catches the :class:`AuditNotFound` of this library,
    so that a service keeps the module of errors that it has. Messages, codes and attributes stay
    those of this library. Calling it again has no effect.

    :param module: a module with classes of errors; it may have some of them only
    :raises TypeError: the classes there stand in an order of inheritance that contradicts this one
    """
    for name, cls in list(globals().items()):
        other = getattr(module, name, None)
        if not (isinstance(cls, type) and issubclass(cls, WatcherException)):
            continue
        if isinstance(other, type) and not issubclass(cls, other):
            first, *rest = cls.__bases__
            cls.__bases__ = (first, other, *rest)
