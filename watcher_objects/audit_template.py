# SPDX-License-Identifier: Apache-2.0
"""Audit templates: what audits that are made alike have in common."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.goal import Goal
from watcher_objects.history import Added, AddedRelation
from watcher_objects.strategy import Strategy


@base.WatcherObjectRegistry.register
class AuditTemplate(base.Identified, base.Named, base.WatcherPersistentObject):
    """A goal, a strategy and its parameters, from which audits are made."""

    VERSION = "1.2"
    history = {
        "1.0": (),
        "1.1": (AddedRelation("goal"), AddedRelation("strategy")),
        "1.2": (Added("default_parameters"),),
    }

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "name": fields.StringField(),
        "description": fields.StringField(nullable=True),
        "scope": fields.FlexibleListOfDictField(nullable=True),
        "default_parameters": fields.FlexibleDictField(nullable=True),
        "goal_id": fields.IntegerField(),
        "strategy_id": fields.IntegerField(nullable=True),
        "goal": fields.ObjectField("Goal", nullable=True),
        "strategy": fields.ObjectField("Strategy", nullable=True),
    }
    object_fields = {"goal": (Goal, "goal_id"), "strategy": (Strategy, "strategy_id")}

    table = models.audit_templates
    resource = "audit_template"
    not_found = exception.AuditTemplateNotFound
    already_exists = exception.AuditTemplateAlreadyExists
