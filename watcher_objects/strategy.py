# SPDX-License-Identifier: Apache-2.0
"""Strategies: how a goal is pursued."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import AddedRelation, Released


@base.WatcherObjectRegistry.register
class Strategy(base.Identified, base.Named, base.WatcherPersistentObject):
    """One way to pursue a goal, and the parameters that it takes."""

    history = {
        "1.0": Released("0.32"),
        "1.1": Released("0.32", AddedRelation("goal")),
    }

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "display_name": fields.StringField(),
        "goal_id": fields.IntegerField(),
        "parameters_spec": fields.FlexibleDictField(nullable=True),
        "goal": fields.ObjectField("Goal", nullable=True),
    }

    table = models.strategies
    resource = "strategy"
    not_found = exception.StrategyNotFound
    already_exists = exception.StrategyAlreadyExists
    referenced = exception.StrategyReferenced
