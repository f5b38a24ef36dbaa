# SPDX-License-Identifier: Apache-2.0
"""The registered classes, by name and by table, and their remotable methods."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

F = TypeVar("F", bound=Callable[..., Any])


def remotable(method: F) -> F:
    """Make a method remotable.

    Its annotations are for type checkers only: fingerprints, which services compare, would
    include them.
    """
    method.__annotations__ = {}
    return cast(F, ovo.remotable(method))


#: Field of a related object -> (its class, the field that holds its id).
RelatedClasses = dict[str, tuple[Any, str]]


class Relations:
    """The relations of a class: the fields of objects that have a field for their id.

    They are declared by name, and resolved on first use, when all classes are registered.
    """

    def __get__(self, obj: Any, owner: Any) -> RelatedClasses:
        """Return the related classes, and store them in the class."""
        owner.object_fields = found = {
            name: (class_named(field.objname), f"{name}_id")
            for name, field in owner.fields.items()
            if isinstance(field, ovo_fields.ObjectField) and f"{name}_id" in owner.fields
        }
        return found


def class_named(name: str) -> Any:
    """Return the newest registered class of this name.

    :raises LookupError: there is none
    """
    versions = ovo.VersionedObjectRegistry.obj_classes().get(name)
    if not versions:
        raise LookupError(f"There is no object class {name}: import its module first")
    return versions[0]


def class_of(table: sa.Table) -> Any:
    """Return the registered class whose objects are stored in a table, or None."""
    for versions in ovo.VersionedObjectRegistry.obj_classes().values():
        if getattr(versions[0], "table", None) is table:
            return versions[0]
    return None
