# SPDX-License-Identifier: Apache-2.0
"""A lease: the right of one worker to work on one object."""

import datetime
import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from watcher_objects import exception
from watcher_objects.db.transactions import levels


class Lease:
    """The right of a worker to work on an object until it ends the lease, or loses it.

    Any other write of the object's state ends it: an operator's cancel, a takeover after the
    worker was taken for dead. Every write through the lease is rejected then by the database,
    with LeaseLost. It is safe to use from several threads.
    """

    def __init__(
        self, worker: Any, obj: Any, token: int, attempts: int, old_state: str | None = None
    ) -> None:
        self._worker = worker
        # An object that comes from a server does not have it.
        obj._old_state = old_state
        #: The object, as it was claimed or last written through this lease.
        self.object = obj
        #: A number that is greater than those of all earlier leases on the object, by which others
        #: can reject requests of earlier workers (a fencing token).
        self.token = token
        #: How many workers have claimed the object, this one included; of a continuous audit, for
        #: this run.
        self.attempts = attempts
        #: Whether the lease has ended, in whatever way.
        self.is_over = False
        self._lost: exception.LeaseLost | None = None

    def __repr__(self) -> str:
        return f"Lease({self.object!r}, token={self.token})"

    @property
    def key(self) -> tuple[str, str, int]:
        """The class, the uuid and the token by which a worker knows the lease."""
        return self.object.obj_name(), self.object.uuid, self.token

    def check(self) -> None:
        """Check, without asking the database, that the lease is not known to be lost.

        A heartbeat finds a loss, a third of the ttl later at most. :meth:`Worker.stop` does not
        end leases: ask :attr:`Worker.stopping`.

        :raises LeaseLost: a heartbeat or a write has shown it, the worker has sent no heartbeat
            for its ttl, or the lease has ended
        """
        self._check_open()
        if not self._worker.is_alive:
            # The next heartbeat gives the object back, unless another worker has taken it over.
            self._lost, self.is_over = self._error("its worker sent no heartbeat in time"), True
            raise self._lost.with_traceback(None)

    def _check_open(self) -> None:
        if self._lost is not None:
            raise self._lost.with_traceback(None)
        if self.is_over:
            raise self._error("it has ended")

    def save(self, **fields: Any) -> None:
        """Write fields, and the changes of the object, if the lease is not lost.

        :raises LeaseLost: it is, and nothing was written; only if the database's answer got lost,
            and the lease was revoked after that, the fields may have been
        :raises InvalidValue, UnknownField, ReadOnlyField, Conflict: as for ``object.save()``
        """
        if "state" in fields:
            raise exception.InvalidParameter(
                parameter="state", parameter_type="no field of save(); use finish()"
            )
        self._write("write", self._columns(fields))

    def finish(self, state: str, **fields: Any) -> None:
        """Write the state in which the work has ended, and fields as :meth:`save` does.

        :raises LeaseLost: the lease is lost, and nothing was written
        :raises InvalidStateTransition: a running object can't end in this state
        :raises Exception: as for :meth:`save`
        """
        self._write("write", {**self._columns(fields), "state": state})
        self._end()

    def _finished(
        self, written: Any, old_state: str | None, lost: tuple[str, str | None] | None
    ) -> None:
        """End the lease as a write of several has.

        :param lost: the reason and the state of the row, if the lease is lost
        :raises LeaseLost: it is
        """
        if lost is not None:
            reason, state = lost
            self._lose(self._error(reason, state))
            self._check_open()
        self._load(written, old_state)
        self._end()

    def give_back(self, after: float = 0) -> None:
        """Leave the object, which stays ONGOING, to whichever worker takes it over.

        The attempt counts: see ``attempts`` of :meth:`Worker.claims`.

        :param after: seconds for which nobody is to take it over
        :raises LeaseLost: the lease is lost, and nothing was written
        """
        self._write("give_back", after, True)
        self._end()

    def reschedule(self, next_run_time: datetime.datetime, **fields: Any) -> None:
        """End the run of a continuous audit, which stays ONGOING and is due again later.

        :param next_run_time: when it is due, in UTC
        :raises LeaseLost: the lease is lost, and nothing was written
        :raises Exception: as for :meth:`save`
        """
        given = {**self._columns(fields), **self._columns({"next_run_time": next_run_time})}
        self._write("reschedule", given)
        self._end()

    def _give_back_uncounted(self) -> None:
        """Give the object back unless the lease is over, without counting the attempt."""
        if not self.is_over:
            with suppress(exception.LeaseLost):
                self._write("give_back", 0, False)
                self._end()

    def _columns(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of fields, and of the unsaved changes of the object."""
        return {**self.object._changed_columns(), **self._given(fields)}

    def _given(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of fields."""
        return self.object._columns_of(fields) if fields else {}

    def _write(self, method: str, *args: Any) -> None:
        """Write by a method of the worker, and load what was written into the object."""
        self._check_open()
        name, uuid, token = self.key
        try:
            with self.object._translate_db_errors():
                written, old_state = getattr(self._worker, method)(name, uuid, token, *args)
        except exception.LeaseLost as error:
            self._lose(error)
            raise
        self._load(written, old_state)

    def _load(self, written: Any, old_state: str | None) -> None:
        """Load what was written into the object; None if it is gone since."""
        if written is not None:
            self.object.obj_refresh(written)
        if old_state is not None:
            self.object._old_state = old_state

    def _begin(self, heartbeat: Any) -> None:
        """Be one of the worker's leases, once the claim is committed."""
        self._heartbeat = heartbeat
        transaction = levels.current()
        if transaction is None:
            heartbeat.add(self)
        else:
            transaction.after_commit.append(lambda: heartbeat.add(self))
            transaction.after_rollback.append(self._undo_begin)

    def _undo_begin(self) -> None:
        self._lost, self.is_over = self._error("its claim was rolled back"), True

    def _end(self) -> None:
        self.is_over = True
        self._heartbeat.discard(self)
        transaction = levels.current()
        if transaction is not None:
            transaction.after_rollback.append(self._undo_end)

    def _undo_end(self) -> None:
        self.is_over = False
        self._heartbeat.add(self)

    def _lose(self, error: exception.LeaseLost) -> None:
        """Take note that the lease is lost, as a write or a heartbeat has shown."""
        self._lost = error
        self._end()

    def _revoked(self, state: str | None) -> exception.LeaseLost:
        """Return the error for a lease that a heartbeat has found to be lost.

        :param state: that of the object; None if it is not known
        """
        where = f", which is {state} now" if state else ""
        return self._error(f"another writer changed its state{where}", state)

    def _error(self, reason: str, state: str | None = None) -> exception.LeaseLost:
        name = self.object.table.name
        return exception.LeaseLost(name=name, id=self.object.uuid, reason=reason, initial=state)


def finish_many(
    leases: Iterable[Lease], state: str, **fields: Any
) -> dict[Lease, exception.LeaseLost]:
    """Finish several leases in one transaction, each as :meth:`Lease.finish` does.

    It takes one statement for all objects without changes of their own, and one for each other
    object. A lease that is lost does not keep the others from being finished.

    :param leases: leases of one worker on objects of one class
    :param state: the state in which their work has ended
    :param fields: further fields, which are written to all objects
    :returns: the leases that are lost, in their order, with their errors
    :raises InvalidStateTransition: a running object can't end in this state
    :raises InvalidParameter: the leases are of several workers or classes
    :raises InvalidValue, UnknownField, Conflict: as for ``object.save()``; nothing is written
    """
    found: dict[Lease, exception.LeaseLost | None] = {}
    for lease in leases:
        found[lease] = _outcome(lease._check_open)
    held = [lease for lease, lost in found.items() if lost is None]
    if held:
        for lease, done in zip(held, _finished(held, state, fields), strict=True):
            found[lease] = _outcome(functools.partial(lease._finished, *done))
    return {lease: lost for lease, lost in found.items() if lost is not None}


def _outcome(do: Callable[[], None]) -> exception.LeaseLost | None:
    try:
        do()
    except exception.LeaseLost as error:
        return error
    return None


def _finished(held: Sequence[Lease], state: str, fields: dict[str, Any]) -> Sequence[Any]:
    """Write the objects of leases, and return what became of each lease."""
    first = held[0]
    if len({(lease._worker.uuid, lease.object.obj_name()) for lease in held}) > 1:
        allowed = "leases of one worker on objects of one class"
        raise exception.InvalidParameter(parameter="leases", parameter_type=allowed)
    given = {**first._given(fields), "state": state}
    own = [[lease.object.uuid, lease.token, lease.object._changed_columns()] for lease in held]
    with first.object._translate_db_errors():
        found: Sequence[Any] = first._worker.finish_many(first.object.obj_name(), own, given)
        return found
