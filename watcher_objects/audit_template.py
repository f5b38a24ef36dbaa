# SPDX-License-Identifier: Apache-2.0
"""Audit templates: what audits that are made alike have in common."""

from watcher_objects import base, exception, fields
from watcher_objects.db import models
from watcher_objects.versions.history import Added, AddedRelation, Released


@base.WatcherObjectRegistry.register
class AuditTemplate(base.Identified, base.Named, base.WatcherPersistentObject):
    """A goal, a strategy and its parameters, from which audits are made."""

    history = {
        "1.0": Released("0.32"),
        "1.1": Released("0.32", AddedRelation("goal"), AddedRelation("strategy")),
        "1.2": Released("2026.2", Added("default_parameters")),
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

    table = models.audit_templates
    resource = "audit_template"
    not_found = exception.AuditTemplateNotFound
    already_exists = exception.AuditTemplateAlreadyExists
