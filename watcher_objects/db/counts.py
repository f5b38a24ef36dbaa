# SPDX-License-Identifier: Apache-2.0
"""How many rows there are, by the values of a column."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.sql import values
from watcher_objects.db.sql.filters import filter_conditions, parse_filters
from watcher_objects.db.sql.queries import identity_conditions
from watcher_objects.db.transactions import retries


@retries.retried
def count(
    table: sa.Table,
    by: str,
    *,
    marks: Sequence[Any] = (),
    filters: Mapping[str, Any] | None = None,
    show_deleted: bool = False,
) -> dict[Any, int]:
    """Return how many rows there are of each value of a column, by the value; in one statement.

    NULL is None; times are in UTC, without a zone.

    :param by: the column's name
    :param marks: values in their order; rows are counted by how many of them are below theirs
    :param filters: those of a list
    :raises UnknownField: there is no such column, or it holds documents
    :raises InvalidParameter: the marks are not in their order
    :raises InvalidValue, InvalidFilter: the column can't hold a mark, or a filter can't be used
    """
    names = values.comparable(table)
    if by not in names:
        hint = f" to count by; there are {', '.join(names)}"
        raise exception.UnknownField(objname=table.name, field=by, hint=hint)
    parsed, bound = parse_filters(table, filters)
    conditions = [
        *filter_conditions(table, parsed, bound),
        *identity_conditions(table, {}, show_deleted),
    ]
    # By its label, since PostgreSQL takes values bound in two places for two expressions.
    counted = _counted(table.columns[by], marks).label("counted")
    select = sa.select(counted, sa.func.count()).where(*conditions).group_by("counted")
    return {row[0]: row[1] for row in transactions.execute(select).rows}


def _counted(column: sa.Column[Any], marks: Sequence[Any]) -> sa.ColumnElement[Any]:
    if not marks:
        return column
    stored = [values.storable(column, mark) for mark in marks]
    if None in stored or any(one >= other for one, other in itertools.pairwise(stored)):
        raise exception.InvalidParameter(parameter="marks", parameter_type="values in their order")
    ranges = [(column <= mark, number) for number, mark in enumerate(stored)]
    return sa.case((column.is_(None), None), *ranges, else_=len(stored))
