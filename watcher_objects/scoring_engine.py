# SPDX-License-Identifier: Apache-2.0
"""Scoring engines: what strategies can ask for a judgement."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import Released


@base.WatcherObjectRegistry.register
class ScoringEngine(base.Identified, base.Named, base.WatcherPersistentObject):
    """A scoring engine that is installed."""

    history = {"1.0": Released("0.32")}

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "description": fields.StringField(nullable=True),
        "metainfo": fields.StringField(nullable=True),
    }

    table = models.scoring_engines
    resource = "scoring_engine"
    not_found = exception.ScoringEngineNotFound
    already_exists = exception.ScoringEngineAlreadyExists
