# SPDX-License-Identifier: Apache-2.0
"""Statements for the driver, compiled once for all calls of one shape.

A builder names the values (``sa.bindparam``) instead of including them, caches the statement by
the shape of the call, and passes the values with each call. To build and compile a statement takes
several times as long as to execute it.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects.db.backend import database, dialects
from watcher_objects.db.backend.dialects.base import Backend

#: Shapes of which each builder keeps the statements.
SHAPES = 512

#: The values of a row in the order of its table's columns, as the driver gives them.
Cells = Sequence[Any]

#: Runs a statement with its ``values``, and returns its rows and how many rows it matched.
Run = Callable[..., tuple[Sequence[Cells], int]]


class Statement:
    """A text for the driver, and the binding of its parameters."""

    #: Whether it is a transaction of its own, which an error leaves open.
    is_transaction = False

    #: What :class:`Steps` run next if it matched no row.
    otherwise: Sequence["Statement"] = ()

    def __init__(
        self,
        built: sa.ClauseElement,
        dialect: sa.Dialect,
        reads_only: bool | None = None,
        otherwise: Sequence["Statement"] = (),
    ) -> None:
        compiled: Any = built.compile(dialect=dialect)
        self.text: str = compiled.string
        self.otherwise = otherwise
        is_select = isinstance(built, sa.Select)
        self.reads_only = is_select if reads_only is None else reads_only
        # To ask a driver's cursor for it can take longer than to fetch a row.
        self.returns_rows = is_select or " RETURNING " in self.text
        names = compiled.positiontup
        self._names: Sequence[str] = tuple(names)
        self._constants = {n: v for n, v in compiled.params.items() if v is not None}
        kinds = {name: compiled.binds[name].type for name in names}
        self._binders = [
            (index, binder)
            for index, name in enumerate(names)
            if (binder := binder_of(kinds[name], dialect))
        ]

    def bound(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values in their order, as the driver takes them."""
        known = {**self._constants, **values}
        bound = [*map(known.__getitem__, self._names)]
        for index, binder in self._binders:
            bound[index] = binder(bound[index])
        return bound

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run it at a driver's cursor, and return its rows and how many rows it matched."""
        cursor.execute(self.text, self.bound(values))
        rows = cursor.fetchall() if self.returns_rows else ()
        return rows, cursor.rowcount


class Command(Statement):
    """A text without values and rows, like BEGIN."""

    returns_rows = reads_only = False

    def __init__(self, text: str) -> None:
        self.text = text

    def bound(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return no values."""
        return ()


class Joined(Statement):
    """Statements of which some begin or end a transaction, in one text and with their values."""

    is_transaction = True
    returns_rows = reads_only = False

    def __init__(self, text: str, values: Sequence[Any]) -> None:
        self.text, self._values = text, values

    def bound(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values in their order."""
        return self._values

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run them, and return how many rows the last one matched."""
        super().execute(cursor, values)
        while cursor.nextset():
            pass
        return (), cursor.rowcount


class Steps(Statement):
    """A statement that writes and, if it matched, others that follow it, as a transaction."""

    is_transaction = returns_rows = True
    reads_only = False
    #: What does the same as a part of a transaction, in one round trip; None: there is nothing.
    part: Statement | None = None

    def __init__(self, write: Statement, others: Sequence[Statement]) -> None:
        self._write, self._others, self.text = write, others, write.text

    def run_each(self, run: Run, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run the statements one after the other, in a transaction that has begun.

        :returns: the rows of the last one that returned any, and how many the first one matched
        """
        rows, matched = run(self._write, values=values)
        if rows or (matched and not self._write.returns_rows):
            rows = self._run_others(run, values) or rows
        return rows, matched

    def _run_others(self, run: Run, values: Mapping[str, Any]) -> Sequence[Cells]:
        rows: Sequence[Cells] = ()
        for other in self._others:
            found, number = run(other, values=values)
            rows = found or rows
            if not number:
                for instead in other.otherwise:
                    run(instead, values=values)
        return rows


class Compound(Steps):
    """Steps in one round trip, for databases that have no UPDATE ... RETURNING.

    :param is_transaction: whether it is a transaction, or a part of one
    """

    def __init__(
        self,
        write: Statement,
        others: Sequence[Statement],
        dialect: sa.Dialect,
        is_transaction: bool = True,
    ) -> None:
        super().__init__(write, others)
        self.is_transaction = is_transaction
        texts = [other.text for other in others]
        self.text = self._joined(dialects.of(dialect))(write.text, texts, is_transaction)
        if is_transaction:
            self.part = type(self)(write, others, dialect, is_transaction=False)

    def _joined(self, backend: Backend) -> Callable[[str, Sequence[str], bool], str]:
        """Return what makes one text of those of the statements."""
        return backend.write_and_read

    def bound(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values of all of them."""
        return [value for one in (self._write, *self._others) for value in one.bound(values)]

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run it as above."""
        done = super().execute(cursor, values)
        # The result of COMMIT, or of END, comes last.
        while cursor.nextset():
            pass
        return done


class Loop(Compound):
    """A SELECT and, for each of its rows, other statements, in one round trip.

    The last of those is a SELECT, too, which returns one row. The others call the row of the
    first ``picked``, and so can't be run one after the other.
    """

    def _joined(self, backend: Backend) -> Callable[[str, Sequence[str], bool], str]:
        """Return what makes a loop of the texts."""
        return backend.for_each

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run it, and return all rows."""
        cursor.execute(self.text, self.bound(values))
        rows: list[Cells] = []
        while True:
            # The result of COMMIT, or of END, has no rows.
            if cursor.description is not None:
                rows += cursor.fetchall()
            if not cursor.nextset():
                return rows, len(rows)


class Chain(Steps):
    """Steps that return what they write, for a database that needs no round trips."""

    def __init__(self, write: Statement, others: Sequence[Statement], dialect: sa.Dialect) -> None:
        super().__init__(write, others)
        self._begin = dialects.of(dialect).begin

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run the statements one after the other, as a transaction."""
        cursor.execute(self._begin)
        done = self.run_each(functools.partial(Statement.execute, cursor=cursor), values)
        cursor.execute("COMMIT")
        return done


class ChainOfEach(Chain):
    """A statement that writes rows and, for each of them, others, like :class:`Loop`.

    :param key: the column by which the others find the row; its index in a row
    """

    def __init__(
        self,
        write: Statement,
        others: Sequence[Statement],
        dialect: sa.Dialect,
        key: tuple[str, int],
    ) -> None:
        super().__init__(write, others, dialect)
        self._key = key

    def run_each(self, run: Run, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
        """Run the statements as above."""
        rows, matched = run(self._write, values=values)
        name, index = self._key
        for row in rows:
            self._run_others(run, {**values, name: row[index]})
        return rows, matched


@functools.lru_cache(maxsize=SHAPES)
def binder_of(kind: Any, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """Return the bind processor of a type, or None if it needs none."""
    binder: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return binder


def cells(table: sa.Table, row: Mapping[str, Any]) -> Cells:
    """Return a row as the driver would give it."""
    dialect = database.current().dialect
    return [bind_value(dialect, column, row[column.name]) for column in table.columns]


def bind_value(dialect: sa.Dialect, column: sa.Column[Any], value: Any) -> Any:
    """Return a value of a column as the driver would give it."""
    binder = binder_of(column.type, dialect)
    return binder(value) if binder else value


def row_to_dict(table: sa.Table, row: Cells) -> dict[str, Any]:
    """Return the cells of a row by the names of their columns."""
    return dict(zip((column.name for column in table.columns), row, strict=True))


@functools.cache
def column_index(table: sa.Table, name: str) -> int:
    """Return where in the cells of a row a column stands."""
    return [column.name for column in table.columns].index(name)
