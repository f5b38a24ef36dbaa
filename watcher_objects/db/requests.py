# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys: a request and its answer, stored in one transaction.

A request inserts its key before its work, and the answer after it. A second request with the same
key waits at the INSERT until the first commits, and reads its answer; if the first rolls back, the
second does the work.
"""

import contextlib
import datetime
import functools
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import cursors, models, transactions
from watcher_objects.db.backend import database, errors
from watcher_objects.db.cursors import is_listened_to
from watcher_objects.db.sql import write_outcome
from watcher_objects.db.statements import Joined, Statement, bind_value
from watcher_objects.db.transactions import levels, retries
from watcher_objects.db.transactions.retries import Outcome

_requests = models.rpc_requests
#: What the tokens of keys begin with; those of requests over RPC are uuids.
PREFIX = "key:"
#: Rows that one DELETE removes at most.
BATCH = 1000
# The length up to which an answer is sent together with COMMIT.
_SHORT = 2**16


class Slot:
    """What is stored with a key: the answer as text, which a first request sets.

    :param token: the primary key of the row
    :param fingerprint: what distinguishes requests with the same key; None: nothing is compared
    :param name: the key in error messages
    """

    def __init__(self, token: str, fingerprint: str | None, name: str) -> None:
        self.token, self.fingerprint, self.name = token, fingerprint, name
        self.answer: str | None = None
        #: Whether the answer was stored by an earlier request.
        self.is_repeat = False

    def load(self) -> bool:
        """Return whether there is an answer, and load it.

        :raises KeyReused: it answers another request
        :raises WriteSuppressed: the database did not store it
        """
        for answer, fingerprint, _ in _find(self.token):
            if None not in (fingerprint, self.fingerprint) and fingerprint != self.fingerprint:
                raise exception.KeyReused(key=self.name, user="another request")
            if answer is None:
                raise _suppressed(self.token, "its token was stored without an answer")
            self.answer, self.is_repeat = answer, True
        return self.is_repeat


class _Transaction(levels.Transaction):
    """A transaction that begins with a key and ends with its answer."""

    def __init__(self, parent: levels.Transaction | None, slot: Slot) -> None:
        super().__init__(parent)
        self.slot = slot
        self.created_at = timeutils.utcnow()
        self._is_joined = not (parent or is_listened_to(self.database.engine))

    def _start(self) -> None:
        slot, (_, insert, _) = self.slot, _statements(self.database.dialect)
        values: dict[str, Any] = {"token": slot.token, "fingerprint": slot.fingerprint}
        values["created_at"] = self.created_at
        backend = self.database.backend
        if self._is_joined and backend.begin_with:
            stored = self._join(backend.begin_with, insert, values)
        else:
            super()._start()
            stored = self.send(insert, **values).matched
        if stored == 0:
            raise _suppressed(slot.token, "the INSERT stored no row")

    def _finish(self) -> None:
        slot, (_, _, update) = self.slot, _statements(self.database.dialect)
        values = {"new_answer": slot.answer, "token": slot.token}
        backend = self.database.backend
        if self._is_joined and backend.commit_with and len(slot.answer or "") <= _SHORT:
            try:
                self._join(backend.commit_with, update, values)
            except exception.DatabaseError as error:
                if errors.is_unmatched(self.database.engine, error):
                    raise _suppressed(slot.token, "the UPDATE matched no row") from error
                raise
            return
        if self.run(lambda on: levels.Result(*cursors.run_on(on, update, values))).matched != 1:
            raise _suppressed(slot.token, "the UPDATE matched no row")
        super()._finish()

    def _join(self, text: str, statement: Statement, values: dict[str, Any]) -> int:
        """Begin or end the transaction with a statement, and return how many rows it matched."""
        connection, bound = self.connection.connection.dbapi_connection, statement.bound(values)
        text, bound = self.database.backend.bound(connection, text.format(statement.text), bound)
        return self.send(Joined(text, bound)).matched

    def commit(self) -> None:
        """Commit; if COMMIT was not answered, find out whether the key is stored.

        :raises OutcomeUnknown: that could not be found out, or the key is not stored
        """
        try:
            super().commit()
        except exception.OutcomeUnknown:
            # The pool may connect anew for the check, where the lost connection was.
            self.close()
            self.connection = None
            if not self._is_stored():
                raise
            self._end()

    def _is_stored(self) -> bool:
        self.is_over = True  # what follows is outside of it
        try:
            with self.database.use():
                found = _find(self.slot.token)
        except exception.DatabaseError:
            return False
        finally:
            self.is_over = False
        created_at = _requests.c.created_at
        mine = bind_value(self.database.dialect, created_at, self.created_at)
        return [(row[0], row[2]) for row in found] == [(self.slot.answer, mine)]


@contextlib.contextmanager
def keyed(token: str, fingerprint: str | None = None, name: str | None = None) -> Iterator[Slot]:
    """Yield the slot of a key, with its stored answer, or empty and in a transaction.

    :raises KeyReused: the key belongs to another request, or to a block around this one
    """
    slot = Slot(token, fingerprint, name or token)
    _refuse_nesting(slot)
    if slot.load():
        yield slot
        return
    with contextlib.ExitStack() as stack:
        level = _Transaction(levels.parent(), slot)
        try:
            stack.enter_context(contextlib.contextmanager(transactions.within)(level))
        except exception.DuplicateKey as error:
            if not slot.load():
                observed = "its token is taken and can't be read"
                raise _suppressed(token, observed) from error
        yield slot


def _refuse_nesting(slot: Slot) -> None:
    level = levels.current()
    while level is not None:
        if isinstance(level, _Transaction) and level.slot.token == slot.token:
            raise exception.KeyReused(key=slot.name, user="the block around this one")
        level = level.parent


def _known(lost: Any, token: str, run: Any, fingerprint: str | None = None) -> str | Outcome:
    """Find the answer if it is not known whether it was stored, and publish what was."""
    slot = Slot(token, fingerprint, token)
    if not slot.load():
        return Outcome.NOT_APPLIED
    transactions.run_callbacks(lost.not_run)
    return slot.answer or ""


@retries.retry_write(_known)
def execute_once(token: str, run: Callable[[], str], fingerprint: str | None = None) -> str:
    """Return the answer to a request: what was answered before, or else what ``run`` returns.

    :raises KeyReused: the token belongs to a request with another fingerprint
    :raises WriteSuppressed: a trigger or a policy keeps the token or the answer from being stored
    """
    with keyed(token, fingerprint) as slot:
        if not slot.is_repeat:
            slot.answer = run()
    return slot.answer or ""


def expire(seconds: float) -> int:
    """Remove requests over RPC that are older, and return their number."""
    return _remove(timeutils.utcnow() - datetime.timedelta(seconds=seconds), ~_is_key)


def forget(limit: datetime.datetime) -> int:
    """Remove keys that were stored before a time, and return their number."""
    return _remove(limit, _is_key)


@retries.retried
def count(limit: datetime.datetime) -> int:
    """Return how many keys :func:`forget` would remove."""
    found = sa.select(sa.func.count()).where(_requests.c.created_at < limit, _is_key)
    number: int = transactions.execute(found).rows[0][0]
    return number


_is_key = _requests.c.token.like(f"{PREFIX}%")


def _remove(limit: datetime.datetime, of: sa.ColumnElement[bool]) -> int:
    removed, found, gone = 0, BATCH, 1
    # If nothing is removed, a trigger or a policy suppresses that.
    while found == BATCH and gone:
        found, gone = _remove_batch(limit, of)
        removed += gone
    return removed


@retries.retried
def _remove_batch(limit: datetime.datetime, of: sa.ColumnElement[bool]) -> tuple[int, int]:
    """Return how many rows were found and removed; fewer where another process was faster."""
    found = sa.select(_requests.c.token).where(_requests.c.created_at < limit, of)
    tokens = [row.token for row in transactions.execute(found.limit(BATCH)).rows]
    gone = sa.delete(_requests).where(_requests.c.token.in_(tokens))
    return len(tokens), transactions.execute(gone).matched if tokens else 0


@retries.retried
def _find(token: str) -> Any:
    """Return the answer, the fingerprint and the time of a key, as a row or none."""
    read, _, _ = _statements(database.current().dialect)
    return transactions.run(read, {"token": token}).rows


@functools.cache
def _statements(dialect: sa.Dialect) -> tuple[Statement, Statement, Statement]:
    """Return the statements that read a row, insert it, and set its answer."""
    names = ("token", "created_at", "fingerprint")
    new = {name: sa.bindparam(name, type_=_requests.columns[name].type) for name in names}
    answer = sa.bindparam("new_answer", type_=_requests.c.answer.type)
    is_it, columns = _requests.c.token == new["token"], _requests.c
    read = sa.select(columns.answer, columns.fingerprint, columns.created_at).where(is_it)
    update = sa.update(_requests).where(is_it).values(answer=answer)
    insert = sa.insert(_requests).values(new)
    return Statement(read, dialect), Statement(insert, dialect), Statement(update, dialect)


def _suppressed(token: str, observed: str) -> exception.WriteSuppressed:
    return write_outcome.suppressed(_requests, token, observed)
