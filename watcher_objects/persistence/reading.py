# SPDX-License-Identifier: Apache-2.0
"""The methods that read: get, list and refresh, and the loading of related objects."""

import builtins
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import exception
from watcher_objects.db import api
from watcher_objects.db.backend import database
from watcher_objects.db.sql.queries import Key, ListQuery, RowSet
from watcher_objects.db.statements import row_to_dict
from watcher_objects.fields import coercion
from watcher_objects.persistence.finding import Findable, shows_deleted
from watcher_objects.persistence.registry import remotable

LOG = logging.getLogger(__name__)


class Readable(Findable):
    """An object that can be read from its table."""

    def obj_load_attr(self, attrname: str) -> None:
        """Load a related object, deleted or not, with one statement.

        :raises FieldNotSet: the field is not a relation, or its id is not set
        :raises OrphanedObjectError: this object has no context to load with
        """
        if attrname not in self.object_fields:
            raise exception.FieldNotSet(objname=self.obj_name(), field=attrname)
        related, key = self.object_fields[attrname]
        ident = getattr(self, key)
        if ident is not None and self._context is None:
            method = f"obj_load_attr({attrname!r})"
            raise ovo_exception.OrphanedObjectError(method=method, objtype=self.obj_name())
        loaded = None if ident is None else related._obj_related(self._context, ident)
        self._register_rollback()
        vars(self)[f"_obj_{attrname}"] = loaded

    @classmethod
    @remotable
    def get(  # type: ignore[override] # Watcher's; a dict's is another.
        cls, context: Any, identity: int | str, eager: bool = False
    ) -> Self:
        """Return the object with this id or uuid.

        :param context: the caller's context; deleted rows are found if its ``show_deleted`` is
        :param identity: an id, also as text, or a uuid
        :param eager: load the related objects too, in the same statement
        :raises InvalidIdentity: it is neither
        :raises ResourceNotFound: there is none; each class has its own
        """
        return cls._find(context, identity, eager)

    @classmethod
    def _find(cls, context: Any, identity: Any, eager: bool = False) -> Any:
        """Do what :meth:`get` does, in this process."""
        key = cls._identity_key(identity)
        return cls._get(context, key, shows_deleted(context), eager)

    @classmethod
    def _identity_key(cls, identity: Any) -> Key:
        if isinstance(identity, str) and coercion.is_uuid(identity) and "uuid" in cls.fields:
            return {"uuid": identity}
        with suppress(exception.InvalidValue):
            return cls._id_key(identity)
        if "uuid" in cls.fields:
            with suppress(exception.InvalidValue):
                return {"uuid": coercion.to_uuid("uuid", identity)}
        raise exception.InvalidIdentity(identity=identity)

    @classmethod
    @remotable
    def get_by_id(cls, context: Any, identity: int | str, eager: bool = False) -> Self:
        """Return the object with this id; see :meth:`get`."""
        return cls._find_by_id(context, identity, eager)

    @classmethod
    def _find_by_id(cls, context: Any, identity: Any, eager: bool = False) -> Any:
        try:
            key = cls._id_key(identity)
        except exception.InvalidValue as error:
            raise exception.InvalidIdentity(identity=identity) from error
        return cls._get(context, key, shows_deleted(context), eager)

    @classmethod
    @remotable
    def list(
        cls,
        context: Any,
        limit: int | None = None,
        marker: Self | int | str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
        eager: bool = False,
    ) -> builtins.list[Self]:
        """Return a list of objects, with one statement, and one more for each relation if eager.

        :param context: the caller's context; deleted rows are listed if its ``show_deleted`` is
        :param limit: the maximum number of objects; None for all
        :param marker: the object, or its uuid or id, that the last page ended with
        :param filters: ``field`` or ``field__operator`` -> value, see
            :mod:`watcher_objects.db.sql.filters`
        :param sort_key: a column; the id breaks ties, and is the key if there is no other
        :param sort_dir: ``asc`` or ``desc``
        :param eager: load the related objects too, with one more statement for each relation
        :raises InvalidFilter, InvalidSortKey, InvalidParameter, NegativeLimitError: bad use
        :raises ResourceNotFound: there is no such marker
        """
        return cls._list(context, limit, marker, filters, sort_key, sort_dir, eager)

    @classmethod
    def _list(
        cls,
        context: Any,
        limit: Any = None,
        marker: Any = None,
        filters: Any = None,
        sort_key: Any = None,
        sort_dir: Any = None,
        eager: bool = False,
    ) -> Any:
        begin = None if marker is None else cls._resolve_marker(marker, sort_key or "id")
        query = ListQuery(
            cls.table, filters, sort_key, sort_dir, begin, show_deleted=shows_deleted(context)
        )
        read = functools.partial(api.list, query, eager=tuple(cls.object_fields) if eager else ())
        if database.current().unreadable == "skip":
            return cls._list_readable(context, read, limit)
        return cls._from_rows(context, read(limit=limit))

    @classmethod
    def _list_readable(cls, context: Any, read: Callable[..., RowSet], limit: Any) -> Any:
        """Return the first objects of a list, omitting rows that no object can hold.

        A row is also omitted if that is true of a related row. A warning names each.
        """
        number = limit
        while True:
            found = read(limit=number)
            made: Any = []
            unreadable = []
            for row in found.rows:
                if len(made) == limit:
                    break
                try:
                    made += cls._from_rows(context, found._replace(rows=[row]))
                except exception.DatabaseError as error:
                    unreadable.append(error)
            if limit is None or len(made) == limit or len(found.rows) < number:
                for reason in unreadable:
                    LOG.warning("Left out of a list: %s", reason)
                return made
            number = limit + 2 * len(unreadable)

    @classmethod
    def iterate(
        cls,
        context: Any,
        batch: int = 1000,
        *,
        filters: Mapping[str, Any] | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
        eager: bool = False,
    ) -> Iterator[Self]:
        """Yield any number of objects, of which no more than a batch or two are in memory.

        Each batch is a page of :meth:`list`, which documents the other arguments. Rows that are
        added or removed during the iteration may be omitted; all others are yielded once.

        :param batch: the number of rows to read at a time, 1 or more
        :raises InvalidParameter: ``batch`` is none
        """
        if type(batch) is not int or batch < 1:
            allowed = "a whole number from 1 up"
            raise exception.InvalidParameter(parameter="batch", parameter_type=allowed)
        read = functools.partial(cls.list, context, limit=batch, filters=filters, eager=eager)
        marker: Self | None = None
        while page := read(marker=marker, sort_key=sort_key, sort_dir=sort_dir):
            # The caller may change what it is given.
            marker = page[-1]._without_relations()
            yield from page
            if len(page) < batch:
                return

    @classmethod
    def _resolve_marker(cls, marker: Any, sort_key: str) -> Mapping[str, Any]:
        """Return the id and the sort key of the row that a marker denotes."""
        if isinstance(marker, cls):
            if "id" not in marker:
                raise cls.not_found("The marker is an object that has not been created")
            if sort_key in marker and sort_key not in marker.obj_what_changed():
                return {**cls._id_key(marker.id), sort_key: getattr(marker, sort_key)}
            marker = marker.id
        try:
            key = cls._identity_key(marker)
        except exception.InvalidIdentity as error:
            allowed = f"{cls.obj_name()}, a uuid or an id"
            raise exception.InvalidParameter(parameter="marker", parameter_type=allowed) from error
        cells = api.get(cls.table, key, show_deleted=True)
        if cells is None:
            raise cls._not_found(key)
        return row_to_dict(cls.table, cells)

    @remotable
    def refresh(self, eager: bool = False) -> None:
        """Reload the row: the object is then equal to it, and clean.

        :param eager: read the related objects again, too
        :raises ResourceNotFound: the row is gone, or deleted
        """
        shown = shows_deleted(self._context)
        self.obj_refresh(self._get(self._context, self._key(), shown, eager))

    def obj_refresh(self, loaded: Any) -> None:
        """Take the values and the clean fields of another object of the same row.

        Related objects that the other lacks are kept if their ids have not changed.
        """
        self._register_rollback()
        self._expire_json()
        for name in ("_base", "_is_received"):
            vars(self).pop(name, None)
        vars(self).update(vars(loaded))
        self._changed_fields = set(loaded._changed_fields)
        self._expire_relations()
