# SPDX-License-Identifier: Apache-2.0
"""Every error that this library raises, but for those that are oslo.versionedobjects' own:
OrphanedObjectError, ObjectActionError, IncompatibleObjectVersion, InvalidTargetVersion and
UnsupportedObjectError.

::

    WatcherException                     the root; what a caller catches to catch all
    ├── Invalid (ValueError)             400  what was given can't be used
    │   ├── InvalidValue                      a field can't hold the value
    │   ├── InvalidFilter                     a list can't be narrowed so
    │   │   └── InvalidOperator
    │   ├── InvalidSortKey, InvalidIdentity, InvalidUUID, InvalidName, InvalidState, ...
    │   ├── InvalidPrimitive, InvalidMessage  what was received can't be used
    │   ├── UnknownField (AttributeError)
    │   ├── MissingReference                  a foreign key points at nothing
    │   └── Referenced                        other rows still point here
    │       └── AuditReferenced, GoalReferenced, ...
    ├── Conflict                         409  what was given clashes with what is stored
    │   ├── DuplicateKey
    │   ├── AuditAlreadyExists, GoalAlreadyExists, ...
    │   └── InvalidStateTransition
    ├── ObjectNotFound
    │   └── ResourceNotFound             404
    │       └── AuditNotFound, GoalNotFound, ...
    ├── FieldNotSet (NotImplementedError)
    ├── RemoteFailure, ServerUnavailable 503, ReplyTimeout (TimeoutError) 504
    ├── UnsupportedError
    │   └── NoOlderForm                       a value has no form in an object's older version
    └── DatabaseError                    500  the database failed; the cause is in __cause__
        ├── DatabaseNotConfigured
        └── DatabaseUnavailable          503  ... and the same call may pass later
            └── OutcomeUnknown                ... or has happened already; nobody can tell

The first line of a class's docstring is its message, filled from the keyword arguments;
``msg_fmt`` in a subclass takes its place. The names, bases, codes and keywords are those
that Watcher's callers know.
"""

import types
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

# Whatever else there is, it may hold what is not to be seen.
_SHOWN = (str, int, float, uuid.UUID, types.NoneType)


def shown(value: Any) -> str:
    """Return a value as a message shows it: printable everywhere, not too long, no document."""
    kind = type(value).__name__
    try:
        text = str(value) if isinstance(value, _SHOWN) else f"a {kind}"
    except ValueError:
        text = f"a huge {kind}"
    return printable(text if len(text) <= 500 else f"{text[:500]}...")


def printable(text: str) -> str:
    """Return a text with escapes in place of what can't be printed, or a terminal obeys."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@contextmanager
def at(index: int) -> Iterator[None]:
    """Note on an error for which of several objects or rows it was raised: its ``index``."""
    try:
        yield
    except Exception as error:
        error.index = index  # type: ignore[attr-defined]
        raise


@contextmanager
def placed(name: str) -> Iterator[None]:
    """Say in an error's message for which of the objects of that name it was raised."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "index"):
            error.args = (f"{name}[{error.index}]: {error}",)
        raise


class WatcherException(Exception):
    """Something went wrong"""

    code: ClassVar[int] = 500
    headers: ClassVar[dict[str, str]] = {}
    safe: ClassVar[bool] = False
    msg_fmt: ClassVar[str] = "Something went wrong"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "msg_fmt" not in vars(cls) and cls.__doc__:
            cls.msg_fmt = cls.__doc__.strip().splitlines()[0]

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = {"code": self.code, **kwargs}
        super().__init__(message if message is not None else self._filled())

    def _filled(self) -> str:
        told = {key: shown(value) for key, value in self.kwargs.items()}
        try:
            return self.msg_fmt % told
        except (KeyError, TypeError, ValueError):
            del told["code"]
            return f"{self.msg_fmt} {told}"

    def __str__(self) -> str:
        return str(self.args[0])

    def format_message(self) -> str:
        """Return the message, as Watcher's API asks for it."""
        return str(self)


class Invalid(WatcherException, ValueError):
    """What was given can't be used"""

    code = 400


class Conflict(WatcherException):
    """What was given clashes with what is stored"""

    code = 409


class ObjectNotFound(WatcherException):
    """There is no %(name)s %(id)s"""


class ResourceNotFound(ObjectNotFound):
    """There is no resource %(name)s %(id)s"""

    code = 404


class NotAuthorized(WatcherException):
    """This is not allowed to you"""

    code = 403


class UnsupportedError(WatcherException):
    """This is not supported"""


# --- versions -----------------------------------------------------------------------------


class NoOlderForm(UnsupportedError):
    """%(field)s of this %(objname)s can't be told in version %(version)s: %(reason)s"""


class InvalidPrimitive(Invalid):
    """This is no primitive of an object: %(reason)s"""


# --- RPC ----------------------------------------------------------------------------------


class InvalidMessage(Invalid):
    """A message can't be used: %(reason)s"""


class RemoteFailure(WatcherException):
    """The server failed in %(method)s; its log tells why"""


class ServerUnavailable(WatcherException):
    """No server could be asked for %(method)s, of which nothing has happened"""

    code = 503


class ReplyTimeout(WatcherException, TimeoutError):
    """No answer came to %(method)s within %(seconds)s s: whether it has happened is unknown"""

    code = 504


# --- values, fields and arguments ---------------------------------------------------------


class InvalidValue(Invalid):
    """%(field)s %(allowed)s; given was %(kind)s"""


class InvalidParameter(Invalid):
    """%(parameter)s must be %(parameter_type)s"""


class UnknownField(Invalid, AttributeError):
    """%(objname)s has no field %(field)s%(hint)s"""


class ReadOnlyField(Invalid):
    """%(field)s of a stored %(objname)s can't be changed"""


class FieldNotSet(WatcherException, NotImplementedError):
    """%(field)s of this %(objname)s has not been set, and there is nothing to load it from"""


class InvalidIdentity(Invalid):
    """An id or a uuid was expected, not %(identity)s"""


class InvalidUUID(Invalid):
    """A uuid was expected, not %(uuid)s"""


class InvalidName(Invalid):
    """A name was expected, not %(name)s"""


class InvalidUuidOrName(Invalid):
    """A uuid or a name was expected, not %(name)s"""


class InvalidIntervalOrCron(Invalid):
    """A number of seconds or a cron expression was expected, not %(name)s"""


class CronFormatIsInvalid(WatcherException):
    """This is no cron expression: %(message)s"""


class InvalidFilter(Invalid):
    """The filter %(filter)s can't be used: %(reason)s"""


class InvalidOperator(InvalidFilter):
    """The filter %(filter)s can't be used: its operator must be one of %(valid_operators)s"""


class InvalidSortKey(Invalid):
    """%(sort_key)s is no sort key; there are %(allowed)s"""


class NegativeLimitError(Invalid):
    """A limit must be a whole number from 0 up, not %(limit)s"""

    code = 500


class MissingReference(Invalid):
    """%(column)s %(value)s points at nothing"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.column: str = kwargs.get("column", "")
        self.value: Any = kwargs.get("value")


class Referenced(Invalid):
    """Other rows still refer to %(name)s %(id)s"""


class DuplicateKey(Conflict):
    """A row with the same %(columns)s is stored already"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.columns: Collection[str] = kwargs.get("columns", ())
        super().__init__(message, **{**kwargs, "columns": ", ".join(self.columns)})


# --- states -------------------------------------------------------------------------------


class NotUnique(Conflict):
    """Several rows of %(name)s are meant"""


class InvalidState(Invalid):
    """%(state)s is no state; there are %(allowed)s"""


class InvalidStateTransition(Conflict):
    """%(id)s in %(name)s is %(initial)s and can't become %(new)s, only %(choice)s"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        choice = ", ".join(kwargs.get("allowed", ())) or "nothing else"
        super().__init__(message, choice=choice, **kwargs)
        self.initial: str | None = kwargs.get("initial")
        self.new: str | None = kwargs.get("new")
        self.allowed: Collection[str] = kwargs.get("allowed", ())


class DeleteError(Invalid):
    """Nothing in state %(state)s can be deleted"""


class StartError(Invalid):
    """Nothing in state %(state)s can be started"""


class PatchError(Invalid):
    """The patch %(patch)s can't be applied: %(reason)s"""


class NotSoftDeletedStateError(WatcherException):
    """%(name)s %(id)s has not been soft-deleted"""


# --- goals and strategies -----------------------------------------------------------------


class InvalidGoal(Invalid):
    """The goal %(goal)s can't be used"""


class GoalNotFound(ResourceNotFound):
    """There is no goal %(goal)s"""


class GoalAlreadyExists(Conflict):
    """There is a goal %(uuid)s already"""


class GoalReferenced(Referenced):
    """Strategies, templates or audits still refer to goal %(goal)s"""


class InvalidStrategy(Invalid):
    """The strategy %(strategy)s can't be used"""


class StrategyNotFound(ResourceNotFound):
    """There is no strategy %(strategy)s"""


class StrategyAlreadyExists(Conflict):
    """There is a strategy %(uuid)s already"""


class StrategyReferenced(Referenced):
    """Templates, audits or action plans still refer to strategy %(strategy)s"""


# --- audit templates and audits -----------------------------------------------------------


class AuditTemplateNotFound(ResourceNotFound):
    """There is no audit template %(audit_template)s"""


class AuditTemplateAlreadyExists(Conflict):
    """There is an audit template %(audit_template)s already"""


class InvalidAudit(Invalid):
    """The audit %(audit)s can't be used"""


class EagerlyLoadedAuditRequired(InvalidAudit):
    """The audit %(audit)s was loaded without its goal and strategy"""


class AuditNotFound(ResourceNotFound):
    """There is no audit %(audit)s"""


class AuditAlreadyExists(Conflict):
    """There is an audit %(audit)s already"""


class AuditReferenced(Referenced):
    """Action plans still refer to audit %(audit)s"""


class AuditCancelled(WatcherException):
    """Audit %(uuid)s has been cancelled"""


class AuditTypeNotFound(Invalid):
    """%(audit_type)s is no audit type"""


class AuditTypeNotAllowed(Invalid):
    """The audit type %(audit_type)s is not allowed here"""


class AuditStateNotAllowed(Invalid):
    """The audit state %(state)s is not allowed here"""


class AuditParameterNotAllowed(Invalid):
    """The audit parameter %(parameter)s is not allowed here"""


class AuditIntervalNotSpecified(Invalid):
    """An audit of type %(audit_type)s needs an interval"""


class AuditIntervalNotAllowed(Invalid):
    """An audit of type %(audit_type)s has no interval"""


class AuditStartEndTimeNotAllowed(Invalid):
    """An audit of type %(audit_type)s has no start or end time"""


# --- action plans, actions and what belongs to them ---------------------------------------


class InvalidActionPlan(Invalid):
    """The action plan %(action_plan)s can't be used"""


class EagerlyLoadedActionPlanRequired(InvalidActionPlan):
    """The action plan %(action_plan)s was loaded without its audit and strategy"""


class EagerlyLoadedActionRequired(InvalidActionPlan):
    """The action %(action)s was loaded without its action plan"""


class ActionPlanNotFound(ResourceNotFound):
    """There is no action plan %(action_plan)s"""


class ActionPlanAlreadyExists(Conflict):
    """There is an action plan %(uuid)s already"""


class ActionPlanReferenced(Referenced):
    """Actions still refer to action plan %(action_plan)s"""


class ActionPlanCancelled(WatcherException):
    """Action plan %(uuid)s has been cancelled"""


class ActionPlanIsOngoing(Conflict):
    """Action plan %(action_plan)s is running"""


class ActionNotFound(ResourceNotFound):
    """There is no action %(action)s"""


class ActionAlreadyExists(Conflict):
    """There is an action %(uuid)s already"""


class ActionReferenced(Referenced):
    """Other rows still refer to action %(action)s"""


class EfficacyIndicatorNotFound(ResourceNotFound):
    """There is no efficacy indicator %(efficacy_indicator)s"""


class EfficacyIndicatorAlreadyExists(Conflict):
    """There is an efficacy indicator %(uuid)s already"""


class ScoringEngineNotFound(ResourceNotFound):
    """There is no scoring engine %(scoring_engine)s"""


class ScoringEngineAlreadyExists(Conflict):
    """There is a scoring engine %(uuid)s already"""


class ServiceNotFound(ResourceNotFound):
    """There is no service %(service)s"""


class ServiceAlreadyExists(Conflict):
    """There is a service %(name)s on %(host)s already"""


class ActionDescriptionNotFound(ResourceNotFound):
    """There is no action description %(action_id)s"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        # Alone among its kind it is not called as the resource is.
        super().__init__(message, **{"action_id": kwargs.get("action_description"), **kwargs})


class ActionDescriptionAlreadyExists(Conflict):
    """There is an action description of type %(action_type)s already"""


class NotificationPayloadError(WatcherException):
    """The notification %(class_name)s was sent before its payload was filled"""


# --- the database -------------------------------------------------------------------------


class DatabaseError(WatcherException):
    """The database refused: %(reason)s"""


class InvalidRevision(Invalid):
    """The schema can't be moved there: %(reason)s"""


class DatabaseNotConfigured(DatabaseError):
    """No database: call watcher_objects.db.configure('sqlite:///audits.sqlite') first"""


class DatabaseUnavailable(DatabaseError):
    """The database can't be reached or is too busy: %(reason)s"""

    code = 503

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        #: Whether it is certain that nothing has happened, so that the call can be repeated.
        self.may_retry: bool = kwargs.get("may_retry", False)
        #: Whether the connection went away before the answer came.
        self.is_lost: bool = kwargs.get("is_lost", False)
        #: What the state was left from, and when the row was written last, as a lost UPDATE knew.
        self.believed: tuple[Any, Any] = (None, None)

    def nothing_happened(self) -> None:
        """Note that the call can be repeated, as it would have changed nothing by then."""
        if self.is_lost:
            self.may_retry, self.is_lost = True, False


class OutcomeUnknown(DatabaseUnavailable):
    """Whether this has happened can't be known: %(reason)s"""

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        #: What the transaction would have returned and told, if it has happened.
        self.answer: Any = None
        self.untold: Collection[Callable[[], None]] = ()

    def nothing_happened(self) -> None:
        """Note nothing: of a COMMIT that is not so."""
