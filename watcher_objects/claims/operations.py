# SPDX-License-Identifier: Apache-2.0
"""What a worker does in the database; a process without one has a server do it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from watcher_objects import base, exception, fields
from watcher_objects.db import claims, models, work, workers
from watcher_objects.db import leases as db_leases
from watcher_objects.db.claims import Claimant, Kind, Request
from watcher_objects.db.leases import Held
from watcher_objects.db.sql.queries import Key
from watcher_objects.db.sql.write_outcome import WriteResult
from watcher_objects.db.statements import column_index
from watcher_objects.fields import coercion
from watcher_objects.persistence.reading import Readable
from watcher_objects.persistence.registry import class_named, class_of
from watcher_objects.versions.history import Released

#: The ttl of a worker, in seconds, at least and at most.
SHORTEST_TTL, LONGEST_TTL = 1, 86400


class Operations(base.Identified, Readable, base.WatcherObject, base.WatcherObjectDictCompat):
    """The fields of a worker, and its operations in the database."""

    history = {"1.0": Released("2026.2")}

    fields = {
        "id": fields.IntegerField(),
        "uuid": fields.UUIDField(),
        "host": fields.StringField(),
        "program": fields.StringField(nullable=True),
        "ttl": fields.IntegerField(),
        "started_at": fields.DateTimeField(),
        "alive_until": fields.DateTimeField(),
    }

    table = models.workers
    resource = "worker"
    not_found = exception.WorkerNotFound

    host: Any
    ttl: Any

    @base.remotable
    def register(self) -> None:
        """Store the worker, which is alive from now on for its ttl; ``with`` does it, too.

        :raises InvalidValue: a field can't be stored
        """
        check_ttl(self.ttl)
        workers.forget_dead()
        given = {name: getattr(self, name) for name in ("uuid", "host", "program", "ttl")}
        self.obj_refresh(self._row_loader()(self._context, workers.register(given)))

    @base.remotable
    def unregister(self) -> None:
        """Remove the worker: what it still holds, others may take over at once."""
        workers.unregister(self.uuid)

    @base.remotable
    def beat(self, names: Sequence[str]) -> list[list[Any]]:
        """Keep the worker alive for its ttl from now on; a thread does it for a ``with`` block.

        :param names: the classes of the objects that it claims
        :returns: the class, the uuid and the token of all that it holds
        :raises WorkerNotFound: it has been removed
        """
        if not workers.beat(self.uuid, self.ttl):
            raise self._not_found({"id": self.id})
        found = []
        for name in names:
            rows = workers.held(_claimable(name).table, self.id)
            found += [[name, uuid, token] for uuid, token in rows]
        return found

    @base.remotable
    def claim(
        self,
        name: str,
        kind: str,
        limit: int,
        filters: Mapping[str, Any] | None = None,
        after: int = 0,
    ) -> list[list[Any]]:
        """Claim objects that wait or are due; see :func:`watcher_objects.claims.claim_many`.

        :param name: the class of the objects
        :param kind: ``waiting`` or ``due``
        :param after: an id after which to look
        :returns: each object, with its token, the number of its attempts and the state it left
        """
        cls = _claimable(name)
        request = self._request(cls, limit, filters, after)
        if kind not in (Kind.WAITING, Kind.DUE):
            raise exception.InvalidParameter(parameter="kind", parameter_type="waiting or due")
        old_state = cls.table.info["state_machine"].WAITING if kind == Kind.WAITING else None
        rows = claims.claim(request, Kind(kind))
        return [self._claimed(cls, row, old_state) for row in rows]

    @base.remotable
    def claim_one(self, name: str, identity: int | str) -> list[Any]:
        """Claim one object; see :func:`watcher_objects.claims.claim`."""
        cls = _claimable(name)
        key = cls._identity_key(identity)
        done = claims.claim_one(cls.table, key, self._claimant(), self._context)
        if done is None:
            raise cls._not_found(key)
        return self._claimed(cls, done.cells, done.old_state)

    @base.remotable
    def take_over(
        self,
        name: str,
        limit: int,
        attempts: int,
        then: str,
        filters: Mapping[str, Any] | None = None,
    ) -> list[list[Any]]:
        """Take over what dead workers left; see :func:`watcher_objects.claims.take_over`.

        The other parameters and the result are those of :meth:`claim`.
        """
        cls = _claimable(name)
        request = self._request(cls, limit, filters, 0)
        taken = claims.take_over(request, attempts, then)
        for done in taken.ended:
            self._published(cls, done.cells, done.old_state)
        return [self._claimed(cls, row, None) for row in taken.claimed]

    @base.remotable
    def write(self, name: str, uuid: str, token: int, given: Mapping[str, Any]) -> list[Any]:
        """Write columns of an object that the worker has claimed; see :class:`Lease`.

        :returns: the object, and the state that it left
        :raises LeaseLost: the object has another token
        """
        cls, key = _claimable(name), {"uuid": uuid}
        with self._lease_errors(cls, key):
            done = db_leases.write(cls.table, key, token, given, self._context)
        return self._written(cls, key, done)

    @base.remotable
    def finish_many(
        self, name: str, leases: Sequence[Any], given: Mapping[str, Any]
    ) -> list[list[Any]]:
        """Write claimed objects of one class; see :func:`watcher_objects.claims.finish_many`.

        :param leases: the uuid, the token and further columns of each object
        :param given: the columns that change in all objects, ``state`` among them
        :returns: for each lease the object, its old state, and if it is lost the reason and the
            state that the object was found in
        """
        cls, held = _claimable(name), _held(leases)
        done = db_leases.finish_many(cls.table, held, given, self._context)
        return [self._ended(cls, {"uuid": h.uuid}, d) for h, d in zip(held, done, strict=True)]

    @base.remotable
    def give_back(
        self, name: str, uuid: str, token: int, after: float = 0, counts: bool = True
    ) -> list[Any]:
        """End a claim so that others may take the object over; see :class:`Lease`.

        :param counts: whether it counts as an attempt
        :raises LeaseLost: the object has another token
        """
        cls, key = _claimable(name), {"uuid": uuid}
        with self._lease_errors(cls, key):
            done = db_leases.give_back(cls.table, key, token, after, counts, self._context)
        return self._written(cls, key, done)

    @base.remotable
    def reschedule(self, name: str, uuid: str, token: int, given: Mapping[str, Any]) -> list[Any]:
        """End the run of a continuous audit; see :class:`Lease`.

        :param given: the columns that change, ``next_run_time`` among them
        :raises LeaseLost: the object has another token
        """
        cls, key = _claimable(name), {"uuid": uuid}
        with self._lease_errors(cls, key):
            done = db_leases.reschedule(cls.table, key, token, given, self._context)
        return self._written(cls, key, done)

    @classmethod
    @base.remotable
    def statistics(cls, context: Any) -> dict[str, Any]:
        """Return how much work there is; see :func:`watcher_objects.claims.statistics`.

        :param context: the caller's context
        :returns: the numbers of ``workers``, and of ``work`` by class
        """
        classes = {class_of(table).obj_name(): table for table in work.tables()}
        counts = {name: work.count(table)._asdict() for name, table in classes.items()}
        return {"workers": work.count_workers()._asdict(), "work": counts}

    def _claimant(self) -> Claimant:
        return Claimant(self.id, self.host)

    def _request(
        self,
        cls: Any,
        limit: int,
        filters: Mapping[str, Any] | None,
        after: int,
    ) -> Request:
        return Request(cls.table, self._claimant(), limit, filters, after, self._context)

    def _claimed(self, cls: Any, cells: Any, old_state: str | None) -> list[Any]:
        """Return what a claim returns of an object, and publish the change."""
        token, attempts = (cells[column_index(cls.table, name)] for name in ("moves", "attempts"))
        return [self._published(cls, cells, old_state), token, attempts, old_state]

    def _written(self, cls: Any, key: Key, done: WriteResult | None) -> list[Any]:
        """Return what was written through a lease, and publish the change."""
        if done is None:
            raise _lost(cls, key, "it is gone", None)
        if done.cells is None:
            return [None, done.old_state]
        return [self._published(cls, done.cells, done.old_state), done.old_state]

    def _ended(self, cls: Any, key: Key, done: WriteResult | Exception | None) -> list[Any]:
        """Return what became of one of several leases."""
        try:
            with self._lease_errors(cls, key):
                if isinstance(done, Exception):
                    raise done
                return [*self._written(cls, key, done), None]
        except exception.LeaseLost as error:
            return [None, None, [error.kwargs["reason"], error.initial]]

    def _published(self, cls: Any, cells: Any, old_state: str | None) -> Any:
        """Load a row that was changed, publish that, and return the object."""
        obj = cls._row_loader()(self._context, cells)
        obj._old_state = old_state
        obj._publish("update", old_state)
        return obj

    @contextmanager
    def _lease_errors(self, cls: Any, key: Key) -> Iterator[None]:
        """Raise LeaseLost where a row is not as the worker has claimed it."""
        try:
            yield
        except exception.UnexpectedValues as error:
            state = error.cells[column_index(cls.table, "state")]
            reason = f"another writer changed its state, which is {state} now"
            raise _lost(cls, key, reason, state) from error
        except exception.InvalidStateTransition as error:
            if error.initial == cls.table.info["state_machine"].RUNNING:
                raise
            # Another program has written the state, without a new token.
            reason = f"another program changed its state to {error.initial}"
            raise _lost(cls, key, reason, error.initial) from error


def check_ttl(ttl: Any) -> int:
    """Return the ttl of a worker, in seconds.

    :raises InvalidValue: it can't be used
    """
    seconds = coercion.to_integer("ttl", ttl)
    if not SHORTEST_TTL <= seconds <= LONGEST_TTL:
        allowed = f"takes whole seconds from {SHORTEST_TTL} to {LONGEST_TTL}"
        raise coercion.refuse("ttl", ttl, allowed)
    return seconds


def _claimable(name: str) -> Any:
    """Return a class by its name.

    :raises InvalidParameter: there is none whose objects can be claimed
    """
    try:
        cls = class_named(name)
        claims.machine_of(cls.table)
    except (LookupError, AttributeError, exception.UnsupportedError) as error:
        allowed = "a class whose objects can be claimed"
        raise exception.InvalidParameter(parameter=name, parameter_type=allowed) from error
    return cls


def _held(leases: Sequence[Any]) -> list[Held]:
    """Return leases from their parts.

    :raises InvalidParameter: they have other parts
    """
    try:
        held = [Held(*lease) for lease in leases]
        if all(isinstance(lease.given, Mapping) for lease in held):
            return held
    except TypeError:
        pass
    allowed = "uuids, tokens and further columns"
    raise exception.InvalidParameter(parameter="leases", parameter_type=allowed)


def _lost(cls: Any, key: Key, reason: str, state: str | None) -> exception.LeaseLost:
    (ident,) = key.values()
    return exception.LeaseLost(name=cls.table.name, id=ident, reason=reason, initial=state)
