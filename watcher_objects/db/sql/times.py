# SPDX-License-Identifier: Apache-2.0
"""The time by the database's clock, and times on SQLite, which compares them as texts.

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


class _Moment(FunctionElement[Any]):
    """The time by the database's clock, or so many seconds later."""

    type = sa.DateTime()
    inherit_cache = True


@compiles(_Moment)
def _moment(element: _Moment, compiler: Any, **options: Any) -> str:
    backend = dialects.of(compiler)
    seconds: str = compiler.process(element.clauses, **options)
    return backend.later.format(seconds) if seconds else backend.now


def now() -> sa.ColumnElement[Any]:
    """Return the time by the database's clock, which all hosts share."""
    return _Moment()


def later(seconds: float) -> sa.ColumnElement[Any]:
    """Return the time that many seconds later than :func:`now`."""
    return _Moment(sa.bindparam("seconds", seconds, type_=sa.Double()))


def is_time(column: sa.ColumnElement[Any]) -> bool:
    """Return whether a column holds times."""
    return isinstance(column.type, sa.DateTime)


def longest(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column in the spelling in which values are bound, for ``=`` and ``IN``."""
    return _Longest(column) if is_time(column) else column


def shortest(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a bound value as the least of its spellings, for ``>=`` and ``<``."""
    return _Shortest(value) if is_time(value) else value
