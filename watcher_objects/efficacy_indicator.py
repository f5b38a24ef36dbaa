# SPDX-License-Identifier: Apache-2.0
"""Efficacy indicators: figures by which an action plan is judged."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import Released


@base.WatcherObjectRegistry.register
class EfficacyIndicator(base.Identified, base.Named, base.WatcherPersistentObject):
    """One figure of an action plan; its value is kept as a double, and exact as such."""

    history = {"1.0": Released("0.32")}

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "action_plan_id": fields.IntegerField(),
        "name": fields.StringField(),
        "description": fields.StringField(nullable=True),
        "unit": fields.StringField(nullable=True),
        "value": fields.NumericField(),
    }

    table = models.efficacy_indicators
    resource = "efficacy_indicator"
    not_found = exception.EfficacyIndicatorNotFound
    already_exists = exception.EfficacyIndicatorAlreadyExists
