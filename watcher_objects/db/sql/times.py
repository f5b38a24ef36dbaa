# SPDX-License-Identifier: Apache-2.0
"""Times on SQLite, which compares them as texts, also those that SQL itself has written.

``CURRENT_TIMESTAMP`` and ``datetime('now')`` leave out the fraction of a second, others its last
zeros. As text, such a time is less than the same time with six digits, and greater than any
earlier one.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from watcher_objects.db.backend import dialects


class _Spelling(FunctionElement[Any]):
    """A time, spelled in one of the ways if times are texts; else the time itself."""

    type = sa.DateTime()
    inherit_cache = True


class _Longest(_Spelling):
    inherit_cache = True


class _Shortest(_Spelling):
    inherit_cache = True


@compiles(_Longest)
def _padded(element: _Longest, compiler: Any, **options: Any) -> str:
    return dialects.of(compiler).longest_time(compiler.process(element.clauses, **options))


@compiles(_Shortest)
def _stripped(element: _Shortest, compiler: Any, **options: Any) -> str:
    return dialects.of(compiler).shortest_time(compiler.process(element.clauses, **options))


def is_time(column: sa.ColumnElement[Any]) -> bool:
    """Return whether a column holds times."""
    return isinstance(column.type, sa.DateTime)


def longest(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column in the spelling in which values are bound, for ``=`` and ``IN``."""
    return _Longest(column) if is_time(column) else column


def shortest(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a bound value as the least of its spellings, for ``>=`` and ``<``."""
    return _Shortest(value) if is_time(value) else value
