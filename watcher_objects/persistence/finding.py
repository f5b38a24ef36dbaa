# SPDX-License-Identifier: Apache-2.0
"""Lookup of an object: by its uuid, by its name, or by a reference to it."""

from typing import Any, Self

from watcher_objects import exception
from watcher_objects.db import api
from watcher_objects.db.sql import values
from watcher_objects.db.sql.queries import Key, split_joined_row
from watcher_objects.fields import coercion
from watcher_objects.persistence.registry import remotable
from watcher_objects.persistence.row_mapper import RowMapped, missing_context


class Findable(RowMapped):
    """An object that can be found in its table."""

    @classmethod
    def _get(cls, context: Any, key: Key, show_deleted: bool, eager: bool = False) -> Any:
        related = tuple(cls.object_fields) if eager else ()
        cells = api.get(cls.table, key, show_deleted=show_deleted, eager=related)
        if cells is None:
            raise cls._not_found(key)
        if not eager:
            return cls._row_loader()(context, cells)
        (made,) = cls._from_rows(context, split_joined_row(cls.table, related, cells))
        return made

    @classmethod
    def _obj_related(cls, context: Any, ident: int) -> Any:
        """Return the object that another refers to, deleted or not, from a server if there is one.

        It is not remotable, which would change the fingerprint of the class.
        """
        if cls.indirection_api:
            ask = cls.indirection_api.object_class_action_versions
            return ask(context, cls.obj_name(), "_obj_related", {}, (ident,), {})
        return cls._get(context, cls._id_key(ident), True)

    @classmethod
    def _get_if_referenced(cls, context: Any, ident: int) -> Any:
        """Return what :meth:`_obj_related` does, if the caller may see it.

        A deleted object is visible if one that is not deleted refers to it, directly or not.
        """
        key = cls._id_key(ident)
        if shows_deleted(context):
            return cls._get(context, key, True)
        cells = api.get_pointed_at(cls.table, key)
        if cells is None:
            raise cls._not_found(key)
        return cls._row_loader()(context, cells)

    @classmethod
    def _get_by(cls, context: Any, column: str, value: Any, eager: bool = False) -> Any:
        """Return the object with this text in a column, preferably one that is not deleted."""
        if not isinstance(value, str):
            raise coercion.refuse(column, value, "takes text")
        key = {column: values.storable(cls.table.columns[column], value)}
        return cls._get(context, key, shows_deleted(context), eager)


class Identified(Findable):
    """An object that has a uuid."""

    @classmethod
    @remotable
    def get_by_uuid(cls, context: Any, uuid: str, eager: bool = False) -> Self:
        """Return the object with this uuid; see :meth:`get`.

        :raises InvalidUUID: it is none
        """
        return cls._find_by_uuid(context, uuid, eager)

    @classmethod
    def _find_by_uuid(cls, context: Any, uuid: Any, eager: bool = False) -> Any:
        try:
            known = coercion.to_uuid("uuid", uuid)
        except exception.InvalidValue as error:
            raise exception.InvalidUUID(uuid=uuid) from error
        return cls._get(context, {"uuid": known}, shows_deleted(context), eager)


class Named(Findable):
    """An object that has a name."""

    @classmethod
    @remotable
    def get_by_name(cls, context: Any, name: str, eager: bool = False) -> Self:
        """Return the object with this name, preferably one that is not deleted; see :meth:`get`.

        :raises InvalidName: it is none
        :raises NotUnique: several that are not deleted have it, where names may be shared
        """
        return cls._find_by_name(context, name, eager)

    @classmethod
    def _find_by_name(cls, context: Any, name: Any, eager: bool = False) -> Any:
        try:
            return cls._get_by(context, "name", name, eager)
        except exception.InvalidValue as error:
            raise exception.InvalidName(name=name) from error


def shows_deleted(context: Any) -> bool:
    """Return whether the caller sees soft-deleted rows."""
    if context is None:
        raise missing_context()
    return bool(getattr(context, "show_deleted", False))
