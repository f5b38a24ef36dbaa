# SPDX-License-Identifier: Apache-2.0
"""The words of notifications, which are field types: priority, phase and action."""

from typing import Any

from oslo_versionedobjects import fields as ovo


class BaseWatcherEnum(ovo.Enum):
    """One of the words in ``ALL``."""

    ALL: tuple[str, ...] = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(valid_values=self.ALL, **kwargs)


class NotificationPriority(BaseWatcherEnum):
    """How urgent a notification is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    ALL = (DEBUG, INFO, WARNING, ERROR, CRITICAL)


class NotificationPhase(BaseWatcherEnum):
    """What of a longer action a notification tells of."""

    START = "start"
    END = "end"
    ERROR = "error"

    ALL = (START, END, ERROR)


class NotificationAction(BaseWatcherEnum):
    """What happened to the object of a notification."""

    CREATE = "create"
    UPDATE = "update"
    EXCEPTION = "exception"
    DELETE = "delete"
    STRATEGY = "strategy"
    PLANNER = "planner"
    EXECUTION = "execution"
    CANCEL = "cancel"

    ALL = (CREATE, UPDATE, EXCEPTION, DELETE, STRATEGY, PLANNER, EXECUTION, CANCEL)


class NotificationPriorityField(ovo.BaseEnumField):
    """A field of a :class:`NotificationPriority`."""

    AUTO_TYPE = NotificationPriority()


class NotificationPhaseField(ovo.BaseEnumField):
    """A field of a :class:`NotificationPhase`."""

    AUTO_TYPE = NotificationPhase()


class NotificationActionField(ovo.BaseEnumField):
    """A field of a :class:`NotificationAction`."""

    AUTO_TYPE = NotificationAction()
