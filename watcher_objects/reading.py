# SPDX-License-Identifier: Apache-2.0
"""The verbs that read: get, list and refresh, and the loading of related objects."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from watcher_objects import coercion, exception
from watcher_objects.db import api
from watcher_objects.db.queries import Key
from watcher_objects.db.statements import named
from watcher_objects.finding import Findable, shows_deleted


class Readable(Findable):
    """An object that can be read from its table."""

    def obj_load_attr(self, attrname: str) -> None:
        """Load a related object, with one statement; deleted or not, as the row has it.

        :raises FieldNotSet: the field is no relation, or its id has not been set
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
        self._obj_keep_for_rollback()
        vars(self)[f"_obj_{attrname}"] = loaded

    @classmethod
    @ovo.remotable
    def get(cls, context, identity, eager=False):
        """Return the object with this id or uuid.

        :param context: the caller's context; deleted rows are found if its ``show_deleted`` is
        :param identity: an id, also as text, or a uuid
        :param eager: load the related objects too, in the same statement
        :raises InvalidIdentity: it is neither
        :raises ResourceNotFound: there is none; each class has its own
        """
        return cls._obj_find(context, identity, eager)

    @classmethod
    def _obj_find(cls, context: Any, identity: Any, eager: bool = False) -> Any:
        """Do what :meth:`get` does, without asking again whether a server is to do it."""
        key = cls._obj_identity_key(identity)
        return cls._obj_get(context, key, shows_deleted(context), eager)

    @classmethod
    def _obj_identity_key(cls, identity: Any) -> Key:
        if isinstance(identity, str) and coercion.is_uuid(identity) and "uuid" in cls.fields:
            return {"uuid": identity}
        with suppress(exception.InvalidValue):
            return cls._obj_id_key(identity)
        if "uuid" in cls.fields:
            with suppress(exception.InvalidValue):
                return {"uuid": coercion.to_uuid("uuid", identity)}
        raise exception.InvalidIdentity(identity=identity)

    @classmethod
    @ovo.remotable
    def get_by_id(cls, context, identity, eager=False):
        """Return the object with this id; see :meth:`get`."""
        return cls._obj_find_by_id(context, identity, eager)

    @classmethod
    def _obj_find_by_id(cls, context: Any, identity: Any, eager: bool = False) -> Any:
        try:
            key = cls._obj_id_key(identity)
        except exception.InvalidValue as error:
            raise exception.InvalidIdentity(identity=identity) from error
        return cls._obj_get(context, key, shows_deleted(context), eager)

    @classmethod
    @ovo.remotable
    def list(
        cls,
        context,
        limit=None,
        marker=None,
        filters=None,
        sort_key=None,
        sort_dir=None,
        eager=False,
    ):
        """Return a list of objects, with one statement, and one for each relation if eager.

        :param context: the caller's context; deleted rows are listed if its ``show_deleted`` is
        :param limit: at most so many; None for all
        :param marker: the object, or its uuid or id, that the last page ended with
        :param filters: ``field`` or ``field__operator`` -> value, see
            :mod:`watcher_objects.db.filters`
        :param sort_key: a column; the id breaks ties, and is the key if there is no other
        :param sort_dir: ``asc`` or ``desc``
        :param eager: load the related objects too
        :raises InvalidFilter, InvalidSortKey, InvalidParameter, NegativeLimitError: bad use
        :raises ResourceNotFound: there is no such marker
        """
        return cls._obj_page(context, limit, marker, filters, sort_key, sort_dir, eager)

    @classmethod
    def _obj_page(
        cls,
        context: Any,
        limit: Any = None,
        marker: Any = None,
        filters: Any = None,
        sort_key: Any = None,
        sort_dir: Any = None,
        eager: bool = False,
    ) -> Any:
        related = tuple(cls.object_fields) if eager else ()
        found = api.list(
            cls.table,
            show_deleted=shows_deleted(context),
            eager=related,
            wanted=filters,
            limit=limit,
            marker=None if marker is None else cls._obj_place(marker, sort_key or "id"),
            sort_key=sort_key,
            sort_dir=sort_dir,
        )
        return cls._obj_all_made(context, found)

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

        Each batch is a page of :meth:`list`, which has the other arguments. What comes or goes
        meanwhile is seen or not; what stays where it is in the order is seen once.

        :param batch: how many are read at once, 1 or more
        :raises InvalidParameter: ``batch`` is none
        """
        if type(batch) is not int or batch < 1:
            allowed = "a whole number from 1 up"
            raise exception.InvalidParameter(parameter="batch", parameter_type=allowed)
        asked = {"filters": filters, "sort_key": sort_key, "sort_dir": sort_dir, "eager": eager}
        marker = None
        while page := cls.list(context, limit=batch, marker=marker, **asked):
            # The caller may change what it is given.
            marker = page[-1]._obj_alone()
            yield from page
            if len(page) < batch:
                return

    @classmethod
    def _obj_place(cls, marker: Any, sort_key: str) -> Mapping[str, Any]:
        """Return the id and the sort key's value of the row that a marker means."""
        if isinstance(marker, cls):
            if sort_key in marker and sort_key not in marker.obj_what_changed():
                return {**cls._obj_id_key(marker.id), sort_key: getattr(marker, sort_key)}
            marker = marker.id
        try:
            key = cls._obj_identity_key(marker)
        except exception.InvalidIdentity as error:
            allowed = f"{cls.obj_name()}, a uuid or an id"
            raise exception.InvalidParameter(parameter="marker", parameter_type=allowed) from error
        cells = api.get(cls.table, key, show_deleted=True)
        if cells is None:
            raise cls._obj_none(key)
        return named(cls.table, cells)

    @ovo.remotable
    def refresh(self, eager=False):
        """Read the row again: the object is equal to it then, and clean.

        :param eager: read the related objects again, too
        :raises ResourceNotFound: the row is gone, or deleted
        """
        shown = shows_deleted(self._context)
        self.obj_refresh(self._obj_get(self._context, self._obj_key(), shown, eager))

    def obj_refresh(self, loaded: Any) -> None:
        """Be what another object of the same row is, clean where that is.

        Related objects stay where the other has none and they are still the right ones.
        """
        self._obj_keep_for_rollback()
        self._obj_forget_documents()
        vars(self).update(vars(loaded))
        self._changed_fields = set(loaded._changed_fields)
        for name in self.object_fields:
            self._obj_forget_other(name)
