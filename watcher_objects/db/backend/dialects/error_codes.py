# SPDX-License-Identifier: Apache-2.0
"""The meanings of drivers' errors."""

import re
from collections.abc import Mapping, Set
from typing import Any

#: One of these stands on each side of a name in an error message, in whatever language.
QUOTE = "[\"'«»„“”‘’‹›「」『』]"  # noqa: RUF001
#: What an error says of a schema that lacks a table or a column.
OLD_SCHEMA = "the schema is older than this release needs; run db upgrade"
_NONE: Set[Any] = frozenset()


class ErrorCodes:
    """The codes of a database's errors by their meaning: SQLSTATE, errno or name."""

    #: Nothing was done for now: a lock is taken, or the server accepts no work.
    busy: Set[Any] = _NONE
    #: Of these, what a retry does not change, since nobody releases it.
    lasting: Set[Any] = _NONE
    #: The server accepts no writes for now; new connections may reach another.
    read_only: Set[Any] = _NONE
    #: The server does not have a statement that the connection has prepared.
    not_prepared: Set[Any] = _NONE
    #: The connection is lost; whether the statement was done is unknown.
    lost: Set[Any] = _NONE
    #: The account may not do something.
    forbidden: Set[Any] = _NONE
    #: There is nothing to connect to for this account.
    no_entry: Set[Any] = _NONE
    #: A session can't be set up as the library or an argument of a caller asks.
    no_session: Set[Any] = _NONE
    #: There is no TLS of the kind that the URL asks for.
    no_tls: Set[Any] = _NONE
    #: A unique key is taken.
    duplicate: Set[Any] = _NONE
    #: A foreign key refers to a row that does not exist.
    reference: Set[Any] = _NONE
    #: The statement of ``Backend.commit_with`` matched no row.
    unmatched: Set[Any] = _NONE
    #: The message shows a stored value.
    shows_a_value: Set[Any] = _NONE
    #: What of a database or a session is not as it must be, and what to do.
    unfit: Mapping[Any, str] = {}
    #: The words of an error without a code that mean :attr:`no_tls`.
    no_tls_words = re.compile(r"certificate verify failed")
    #: Where an error's message names columns; see :meth:`columns`.
    names_columns = re.compile(r"(?!)")

    def of(self, origin: Any) -> Set[Any]:
        """Return the codes of a driver's error: a SQLSTATE, a number or a name."""
        return {arg for arg in origin.args[:1] if isinstance(arg, int)}

    def has_value(self, codes: Set[Any]) -> bool:
        """Return whether the message of an error with these codes shows a stored value."""
        return bool(codes & self.shows_a_value)

    def is_lost(self, codes: Set[Any]) -> bool:
        """Return whether the connection is lost, and with it the outcome of the statement."""
        return bool(codes & self.lost)

    def is_refused(self, origin: Any) -> bool:
        """Return whether an error without a code means that the server rejects the account."""
        return False

    def obstacle(self, origin: Any) -> str | None:
        """Return the reason that an error without a code means, or None if it is unknown."""
        return None

    def columns(self, origin: Any) -> tuple[str, ...]:
        """Return the columns that an error names, in whatever language."""
        found = self.names_columns.search(self.detail(origin))
        named = next(filter(None, found.groups()), "") if found else ""
        if named.startswith("uniq_"):
            # A key of Watcher's and ours is named uniq_TABLE0COLUMN0COLUMN.
            return tuple(named.split("0")[1:])
        return tuple(column.rpartition(".")[2] for column in named.split(", ") if column)

    def detail(self, origin: Any) -> str:
        """Return the text of an error that :attr:`names_columns` is searched in."""
        return str(origin.args[-1])
