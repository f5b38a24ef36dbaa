# SPDX-License-Identifier: Apache-2.0
"""The models of Django, which it has to know its database to make."""

import datetime
import json
import uuid
from typing import Any

from django.db import models


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def _uuid() -> str:
    return str(uuid.uuid4())


class Document(models.TextField):
    """JSON in a column of text."""

    def from_db_value(self, value: Any, *ignored: Any) -> Any:
        """Return the value."""
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the text."""
        return None if value is None else json.dumps(value)


class Common(models.Model):
    """The columns that all tables have."""

    class Meta:
        """Django makes no such table."""

        abstract = True
        app_label = "benchmarks"
        managed = False

    id = models.AutoField(primary_key=True)
    uuid = models.CharField(max_length=36, default=_uuid)
    name = models.CharField(max_length=63)
    created_at = models.DateTimeField(null=True, default=_now)
    updated_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    deleted = models.IntegerField(default=0)


class Goal(Common):
    """A goal."""

    class Meta(Common.Meta):
        """The table is ours."""

        db_table = "goals"

    display_name = models.CharField(max_length=63)
    efficacy_specification = Document()


class Strategy(Common):
    """A strategy."""

    class Meta(Common.Meta):
        """The table is ours."""

        db_table = "strategies"

    display_name = models.CharField(max_length=63)
    goal = models.ForeignKey(Goal, models.DO_NOTHING)
    parameters_spec = Document(null=True)


class Audit(Common):
    """An audit."""

    now = staticmethod(_now)

    class Meta(Common.Meta):
        """The table is ours."""

        db_table = "audits"

    audit_type = models.CharField(max_length=20)
    state = models.CharField(max_length=20)
    parameters = Document(null=True)
    interval = models.CharField(max_length=36, null=True)
    goal = models.ForeignKey(Goal, models.DO_NOTHING)
    strategy = models.ForeignKey(Strategy, models.DO_NOTHING, null=True)
    scope = Document(null=True)
    auto_trigger = models.BooleanField()
    next_run_time = models.DateTimeField(null=True)
    hostname = models.CharField(max_length=255, null=True)
    start_time = models.DateTimeField(null=True)
    end_time = models.DateTimeField(null=True)
    force = models.BooleanField()
    status_message = models.CharField(max_length=255, null=True)
