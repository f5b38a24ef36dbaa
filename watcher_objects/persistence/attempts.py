# SPDX-License-Identifier: Apache-2.0
"""The attempts of a merge and of a modification: each expects what it has read.

All attempts are one call with one deadline. If an answer is lost, the next attempt first finds
out whether the write took effect.
"""

from collections.abc import Callable
from typing import Any

from watcher_objects import exception
from watcher_objects.db import api, bulk, transactions
from watcher_objects.db.backend import budget
from watcher_objects.db.sql import expectations, queries, state_guard, write_outcome
from watcher_objects.db.sql.queries import Key
from watcher_objects.db.sql.write_outcome import RowVersion, Write, WriteResult
from watcher_objects.db.statements import Cells, row_to_dict
from watcher_objects.db.transactions import retries
from watcher_objects.persistence import merging


class _Attempts:
    """The attempts of one call to write an object's changes."""

    #: Whether the write may be repeated after others have written, unless it is a transition.
    repeatable = False
    #: The write whose answer was lost, and its object.
    lost: Write | None = None
    sender: Any = None
    #: Whether one may have taken effect, and others have written over it.
    is_doubtful = False

    def attempt(self) -> Any:
        """Make one attempt, and return what the call returns."""
        raise NotImplementedError

    def found(self, done: WriteResult) -> Any:
        """Return what the call returns if the lost write took effect."""
        return done

    def run(self) -> Any:
        """Make attempts until one succeeds or the deadline passes."""
        return _run(self)

    def _send(self, obj: Any, given: Any, base: Any, known: RowVersion) -> WriteResult | None:
        """Write values if the row holds what was read.

        :raises UnexpectedValues: it holds something else
        """
        expected = expectations.unchanged(obj.table, base)
        write = api.prepare(obj.table, obj._key(), given, known, expected, obj._context)
        try:
            return api.apply(write)
        except exception.DatabaseUnavailable as error:
            if error.is_lost:
                self.lost, self.sender = write, obj
            raise


def _look(error: exception.DatabaseUnavailable, attempts: _Attempts) -> Any:
    if attempts.lost is None:
        # What was lost was an answer to a SELECT.
        return retries.Outcome.NOT_APPLIED
    found = write_outcome.written(error, attempts.lost)
    if found is retries.Outcome.SUPERSEDED and attempts.repeatable:
        attempts.is_doubtful = True
        anyway = attempts.lost._replace(expected=expectations.NOTHING)
        found = write_outcome.written(error, anyway)
    return attempts.found(found) if isinstance(found, WriteResult) else found


@retries.retry_write(_look)
def _run(attempts: _Attempts) -> Any:
    return attempts.attempt()


def _overtaken(unmet: exception.UnexpectedValues) -> exception.DatabaseUnavailable:
    """Return the error that makes the call try again after a pause."""
    reason = f"another writer changed {unmet.kwargs['field']} at the same time"
    return exception.DatabaseUnavailable(reason=reason, may_retry=True)


class Merge(_Attempts):
    """The attempts to write the difference between an object and what it was read with."""

    #: Whether the row holds the changes already, by another writer.
    is_needless = False
    # To write the same difference again does no harm: if others have written since, it is merged.
    repeatable = True

    def __init__(self, obj: Any, given: dict[str, Any], base: dict[str, Any]) -> None:
        self.obj, self.given, self.base = obj, given, base
        #: What the next attempt writes, expects, and knows of the row.
        self.next = given, base, obj._known_version()

    def attempt(self) -> WriteResult | None:
        """Write as if nobody else had; if others have, merge and write again."""
        for _ in range(2):
            try:
                return self._send(self.obj, *self.next)
            except exception.UnexpectedValues as error:
                unmet = error
            self.next = self._merged(unmet.cells)
            if not self.next[0]:
                return self._needless(unmet)
        raise _overtaken(unmet) from unmet

    def _needless(self, unmet: exception.UnexpectedValues) -> WriteResult:
        # After a lost answer it may have been this call that wrote them.
        self.is_needless = self.lost is None
        return WriteResult(unmet.cells, None)

    def _merged(self, cells: Cells) -> tuple[dict[str, Any], dict[str, Any], RowVersion]:
        """Return what has to be written over a row, and what it holds."""
        obj, row = self.obj, row_to_dict(self.obj.table, cells)
        theirs = obj._row_loader()(None, cells)
        given, base = {}, {}
        for name, mine in self.given.items():
            value = getattr(theirs, name)
            merged = self._merge_field(name, row, mine, value)
            if name == "state" or not merging.same(merged, value):
                given[name] = merged
                base[name] = row[name] if name in obj._snapshot_fields() else value
        return given, base, RowVersion(row.get("state"), row["updated_at"])

    def _merge_field(self, name: str, row: dict[str, Any], mine: Any, theirs: Any) -> Any:
        obj, base = self.obj, self.base[name]
        if name == "state":
            if base == theirs:
                return mine
            state_guard.check_move(obj.table, row, mine)
            clash = merging.Clash((), base, mine, theirs)
        else:
            if name in obj._json_fields():
                base = obj._decode_json(name, base)
            try:
                return merging.merge(base, mine, theirs)
            except merging.Clash as found:
                clash = found
        if self.is_doubtful:
            # The conflict may be with what others have written over the lost write.
            raise exception.OutcomeUnknown(reason="others have written since")
        raise exception.MergeConflict(
            name=obj.table.name,
            id=row.get("uuid", row["id"]),
            field=name,
            path=clash.path,
            base=clash.base,
            mine=clash.mine,
            theirs=clash.theirs,
        )


class _Raised(Exception):
    """Carries an error of the caller's function past the retries, which are not for it."""

    def __init__(self, error: Exception) -> None:
        super().__init__("the function failed")
        self.error = error


class Modification(_Attempts):
    """The attempts to read an object, have a function change it, and write the changes."""

    def __init__(self, cls: Any, context: Any, key: Key, function: Callable[[Any], Any]) -> None:
        self.cls, self.context, self.key, self.function = cls, context, key, function
        #: The object of the last attempt.
        self.obj: Any = None

    def run(self) -> Any:
        """Return the object as it was written."""
        try:
            obj, done, is_changed = super().run()
        except _Raised as raised:
            raise raised.error from raised.error.__cause__
        except exception.WatcherException:
            if self.obj is None:
                raise
            with self.obj._translate_db_errors():
                raise
        if is_changed:
            obj._finish_update(done)
        return obj

    def attempt(self) -> Any:
        """Return the object, what was written, and whether the function has changed it."""
        self.obj = obj = self._read()
        with budget.no_deadline():
            try:
                self.function(obj)
            except Exception as error:
                raise _Raised(error) from error
        given = obj._changed_columns()
        if not given:
            return obj, None, False
        obj._refuse_read_only(given)
        try:
            return obj, self._send(obj, given, obj._merge_base(given), obj._known_version()), True
        except exception.UnexpectedValues as unmet:
            raise _overtaken(unmet) from unmet

    def found(self, done: WriteResult) -> Any:
        """Return the object whose write took effect, and what was written."""
        return self.sender, done, True

    def _read(self) -> Any:
        """Read the object; in a transaction, which can't be retried here, lock its row."""
        if transactions.in_transaction():
            table = self.cls.table
            bulk.locked(table, queries.identity_conditions(table, self.key, show_deleted=False))
        return self.cls._get(self.context, self.key, False)
