# SPDX-License-Identifier: Apache-2.0
"""Mapped classes of SQLAlchemy, a session for each call, as its documentation has it."""

import datetime
import json
import uuid
from typing import Any, Optional

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.orm import Mapped, mapped_column

from benchmarks import sql, worker
from benchmarks.implementations.objects import Objects

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
Time = Optional[datetime.datetime]  # noqa: UP045 - SQLAlchemy reads it


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class Document(sa.types.TypeDecorator[Any]):
    """JSON in a column of text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Return the text."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Return the value."""
        return None if value is None else json.loads(value)


class Base(orm.DeclarativeBase):
    """The columns that all tables have."""

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(default=lambda: str(uuid.uuid4()))
    name: Mapped[str]
    created_at: Mapped[Time] = mapped_column(default=_now)
    updated_at: Mapped[Time] = mapped_column(onupdate=_now)
    deleted_at: Mapped[Time]
    deleted: Mapped[int] = mapped_column(default=0)


class Goal(Base):
    """A goal."""

    __tablename__ = "goals"
    display_name: Mapped[str]
    efficacy_specification: Mapped[Any] = mapped_column(Document)


class Strategy(Base):
    """A strategy."""

    __tablename__ = "strategies"
    display_name: Mapped[str]
    goal_id: Mapped[int] = mapped_column(sa.ForeignKey("goals.id"))
    parameters_spec: Mapped[Any] = mapped_column(Document)


class Audit(Base):
    """An audit."""

    __tablename__ = "audits"
    audit_type: Mapped[str]
    state: Mapped[str]
    parameters: Mapped[Any] = mapped_column(Document)
    interval: Mapped[str | None]
    goal_id: Mapped[int] = mapped_column(sa.ForeignKey("goals.id"))
    strategy_id: Mapped[int | None] = mapped_column(sa.ForeignKey("strategies.id"))
    scope: Mapped[Any] = mapped_column(Document)
    auto_trigger: Mapped[bool]
    next_run_time: Mapped[Time]
    hostname: Mapped[str | None]
    start_time: Mapped[Time]
    end_time: Mapped[Time]
    force: Mapped[bool]
    status_message: Mapped[str | None]
    goal: Mapped[Goal] = orm.relationship()
    strategy: Mapped[Strategy] = orm.relationship()


def _prepare(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


class SqlalchemyOrm(Objects):
    """The ORM."""

    def __init__(self, url: str) -> None:
        kind = sql.kind(url)
        engine = sa.create_engine(f"{DRIVERS[kind]}:{url.partition(':')[2]}")
        if kind == "sqlite":
            event.listen(engine, "connect", _prepare)
        self.session = orm.sessionmaker(engine, expire_on_commit=False)

    def construct(self, values: dict[str, Any]) -> Audit:
        """Return a new audit."""
        return Audit(**values)

    def create(self, audit: Audit) -> None:
        """Store it."""
        with self.session.begin() as session:
            session.add(audit)

    def _live(self, eager: bool) -> sa.Select[tuple[Audit]]:
        loads = orm.joinedload(Audit.goal), orm.joinedload(Audit.strategy)
        live = sa.select(Audit).where(Audit.deleted == 0)
        return live.options(*loads) if eager else live

    def get(self, ident: str, eager: bool = False) -> Audit:
        """Get by uuid."""
        with self.session() as session:
            return session.scalars(self._live(eager).where(Audit.uuid == ident)).one()

    def list(self, limit: int | None, state: str | None = None, eager: bool = False) -> Any:
        """List by id."""
        wanted = self._live(eager).order_by(Audit.id).limit(limit)
        with self.session() as session:
            return session.scalars(wanted.where(Audit.state == state) if state else wanted).all()

    def save(self, audit: Audit, text: str) -> None:
        """Change and save."""
        with self.session.begin() as session:
            session.add(audit)
            audit.status_message = text
            audit.hostname = text

    def refresh(self, audit: Audit) -> None:
        """Read again."""
        with self.session() as session:
            session.add(audit)
            session.refresh(audit)

    def soft_delete(self, audit: Audit) -> None:
        """Delete softly."""
        with self.session.begin() as session:
            session.add(audit)
            audit.state, audit.deleted, audit.deleted_at = "DELETED", audit.id, _now()

    def destroy(self, audit: Audit) -> None:
        """Remove."""
        with self.session.begin() as session:
            session.delete(audit)


if __name__ == "__main__":
    worker.serve(SqlalchemyOrm)
