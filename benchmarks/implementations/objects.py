# SPDX-License-Identifier: Apache-2.0
"""Objects that are attributes and nothing else to who reads them."""

from typing import Any

from benchmarks import rows


class Objects:
    """What is said in the same words to all that have objects."""

    def read(self, audit: Any, eager: bool = False) -> None:
        """Read every field."""
        for name in rows.FIELDS:
            getattr(audit, name)
        if eager:
            for name in rows.GOAL_FIELDS:
                getattr(audit.goal, name)
            for name in rows.STRATEGY_FIELDS:
                getattr(audit.strategy, name)

    def as_dict(self, audit: Any, eager: bool = False) -> dict[str, Any]:
        """Return the fields."""
        found = {name: getattr(audit, name) for name in rows.FIELDS}
        if eager:
            goal, strategy = audit.goal, audit.strategy
            found["goal"] = {name: getattr(goal, name) for name in rows.GOAL_FIELDS}
            found["strategy"] = {name: getattr(strategy, name) for name in rows.STRATEGY_FIELDS}
        return found


class Versioned(Objects):
    """Versioned objects: those of this library have the methods of Watcher's."""

    audits: Any
    context: Any

    def construct(self, values: dict[str, Any]) -> Any:
        """Return a new audit."""
        return self.audits(self.context, **values)

    def create(self, audit: Any) -> None:
        """Store it."""
        audit.create()

    def get(self, ident: str, eager: bool = False) -> Any:
        """Get by uuid."""
        return self.audits.get(self.context, ident, eager=eager)

    def list(self, limit: int | None, state: str | None = None, eager: bool = False) -> Any:
        """List by id."""
        filters = {"state": state} if state else None
        return self.audits.list(self.context, limit=limit, filters=filters, eager=eager)

    def save(self, audit: Any, text: str) -> None:
        """Change and save."""
        audit.status_message = text
        audit.hostname = text
        audit.save()

    def refresh(self, audit: Any) -> None:
        """Read again."""
        audit.refresh()

    def soft_delete(self, audit: Any) -> None:
        """Delete softly."""
        audit.soft_delete()

    def destroy(self, audit: Any) -> None:
        """Remove."""
        audit.destroy()

    def to_primitive(self, audit: Any) -> Any:
        """Return what is sent."""
        return audit.obj_to_primitive()

    def from_primitive(self, primitive: dict[str, Any]) -> Any:
        """Return what was sent."""
        return self.audits.obj_from_primitive(primitive)
