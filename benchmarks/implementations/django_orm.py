# SPDX-License-Identifier: Apache-2.0
"""Models of Django, and the connection that it keeps."""

import contextlib
from typing import Any
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

from benchmarks import sql, worker
from benchmarks.implementations.objects import Objects

PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"
with contextlib.suppress(ImportError):
    import pymysql

    # It goes by the name of the driver that Django knows.
    pymysql.install_as_MySQLdb()


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    kind = sql.kind(url)
    settings_of = {"ENGINE": f"django.db.backends.{kind.replace('sqlite', 'sqlite3')}"}
    if kind == "sqlite":
        options = {"init_command": PRAGMAS, "timeout": 30}
        return {**settings_of, "NAME": sql.path(url), "OPTIONS": options}
    return {
        **settings_of,
        "NAME": parts.path.strip("/"),
        "HOST": parts.hostname,
        "PORT": parts.port or "",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
    }


def configure(url: str) -> Any:
    """Return the model of audits; there can be none before Django knows its database."""
    settings.configure(DATABASES={"default": _database(url)}, USE_TZ=False, TIME_ZONE="UTC")
    django.setup()
    from benchmarks.implementations import django_models

    return django_models.Audit


class DjangoOrm(Objects):
    """Django's ORM."""

    def __init__(self, url: str) -> None:
        self.audits = configure(url)
        self.now = self.audits.now

    def construct(self, values: dict[str, Any]) -> Any:
        """Return a new audit."""
        return self.audits(**values)

    def create(self, audit: Any) -> None:
        """Store it."""
        audit.save(force_insert=True)

    def _live(self, eager: bool) -> Any:
        live = self.audits.objects.filter(deleted=0)
        return live.select_related("goal", "strategy") if eager else live

    def get(self, ident: str, eager: bool = False) -> Any:
        """Get by uuid."""
        return self._live(eager).get(uuid=ident)

    def list(self, limit: int | None, state: str | None = None, eager: bool = False) -> Any:
        """List by id."""
        wanted = self._live(eager).order_by("id")
        return list((wanted.filter(state=state) if state else wanted)[:limit])

    def save(self, audit: Any, text: str) -> None:
        """Change and save."""
        audit.status_message = text
        audit.hostname = text
        audit.updated_at = self.now()
        audit.save(update_fields=["status_message", "hostname", "updated_at"])

    def refresh(self, audit: Any) -> None:
        """Read again."""
        audit.refresh_from_db()

    def soft_delete(self, audit: Any) -> None:
        """Delete softly."""
        audit.state, audit.deleted = "DELETED", audit.id
        audit.updated_at = audit.deleted_at = self.now()
        audit.save(update_fields=["state", "deleted", "updated_at", "deleted_at"])

    def destroy(self, audit: Any) -> None:
        """Remove."""
        audit.delete()


if __name__ == "__main__":
    worker.serve(DjangoOrm)
