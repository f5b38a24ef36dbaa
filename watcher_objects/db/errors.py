# SPDX-License-Identifier: Apache-2.0
"""The errors of drivers, SQLAlchemy and oslo.db, told as this library's own."""

import logging
import re
import types
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import sqlalchemy as sa
from oslo_db import exception as oslo_exc
from oslo_db.sqlalchemy import exc_filters
from sqlalchemy import exc

from watcher_objects import exception

# The codes by which a driver says that nothing was done for now: SQLSTATE, errno, name. A lock of
# another was in the way, or a server, or a node of a cluster, takes no work.
_BUSY = {"40001", "40P01", "55P03", 1020, 1205, 1213}
_BUSY |= {"SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_CANTOPEN"}
_BUSY |= {"53300", "57P03", 1040, 1047, 1203, 1226}
# ... and those after which nobody knows whether a statement was done, besides class 08.
_LOST = {"57P01", "57P02", 1053, 1180, 1927, 2006, 2013}
# ... and those by which it says that the account may not do something.
_FORBIDDEN = {"42501", 1044, 1142, 1143, 1227, 1370, 1419}
_FORBIDDEN |= {"SQLITE_READONLY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_DIRECTORY"}
# ... and those by which it says that there is nothing to connect to for this account.
_NO_ENTRY = {1045, 1049, 1130, 1251, 1698, 2054}
# ... and that there is no TLS of the kind that the URL asks for.
_NO_TLS = {2026}
# PostgreSQL's driver tells no code of an error of connecting: only words, a server's in the
# language of that server. MariaDB's driver passes on Python's words of a certificate.
_NO_ENTRY_WORDS = re.compile(
    r"authentication failed|no password supplied|does not exist|pg_hba\.conf"
)
_NO_TLS_WORDS = re.compile(
    r"certificate verify failed|invalid ssl\w+ value|not support SSL|root certificate file"
    r"|server certificate for"
)
_FULL_WORDS = "too many connections for"
# One of these stands on each side of a name.
_QUOTE = "[\"'«»„“”‘’‹›「」『』]"  # noqa: RUF001
# The codes of errors whose text tells which key is taken, or leads nowhere.
_TELLS_A_KEY = {"23503", "23505", 1062, 1216, 1217, 1451, 1452}
# ... and of those whose text shows a value, besides PostgreSQL's class 22.
_SHOWS_A_VALUE = {1292, 1366, 1367, 1411}


def handle(context: Any) -> Any:
    """Translate an error inside SQLAlchemy as oslo.db does, which logs it, too.

    What shows a stored value is cut off before.
    """
    if not isinstance(context.original_exception, Exception):
        # An interrupt: SQLAlchemy drops the connection, but a cursor that is still open would
        # keep SQLite's lock.
        with suppress(Exception):
            context.execution_context.cursor.close()
        return None
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            error.args = _cut(_codes(context.original_exception), error.args)
    return exc_filters.handler(context)


def tells_no_row(record: logging.LogRecord) -> bool:
    """Tell whether what SQLAlchemy logs is not a row that it has fetched, as it does at DEBUG."""
    return not str(record.msg).startswith("Row ")


def told(dialect: Any, error: Exception, text: str, is_gone: bool) -> tuple[Exception, bool]:
    """Return a driver's error as SQLAlchemy and :func:`handle` tell it, which it did not pass.

    :returns: with the error, whether its connection is lost
    """
    wrapped = exc.DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_gone,
        dialect=dialect,
    )
    context = types.SimpleNamespace(
        original_exception=error,
        sqlalchemy_exception=wrapped,
        dialect=dialect,
        connection=None,
        is_disconnect=is_gone,
    )
    try:
        handled = handle(context)
    except Exception as raised:
        # As SQLAlchemy lets a handler do.
        handled = raised
    return handled or wrapped, context.is_disconnect


def _cut(codes: Set[Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    if codes & _TELLS_A_KEY:
        return args
    if codes & _SHOWS_A_VALUE or any(str(code).startswith("22") for code in codes):
        return (*args[:-1], f"({_told(codes)}, a value does not fit its column)")
    # Behind the first line PostgreSQL tells the row.
    return tuple(arg.partition("\n")[0] if isinstance(arg, str) else arg for arg in args)


@contextmanager
def translated(engine: sa.Engine, connecting: bool = False) -> Iterator[None]:
    """Raise one of :mod:`watcher_objects.exception` for whatever the database raises inside."""
    try:
        yield
    except Exception as error:
        tell(engine, error, connecting)


def tell(engine: sa.Engine, error: Exception, connecting: bool = False) -> NoReturn:
    """Raise the error of :mod:`watcher_objects.exception` for one of the database's."""
    if isinstance(error, exception.WatcherException):
        raise error
    foreign = (oslo_exc.DBError, exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
    if isinstance(error, foreign):
        raise _translate(engine, error, connecting) from error
    if connecting and isinstance(error, NotImplementedError):
        # What SQLAlchemy raises of a connection that goes away while it is asked what it is.
        reason = f"the connection to {engine.dialect.name} was lost"
        raise exception.DatabaseUnavailable(reason=reason, may_retry=True) from error
    if isinstance(error, AttributeError | OSError | LookupError | TypeError | ValueError):
        # A driver on arguments that it can't use, or on a stored value that it can't read;
        # either may be in the message.
        reason = f"{type(error).__name__} from {engine.dialect.name}'s driver"
        raise exception.DatabaseError(reason=reason) from None
    raise error


def _translate(
    engine: sa.Engine, error: Exception, connecting: bool
) -> exception.WatcherException:
    if isinstance(error, oslo_exc.DBDuplicateEntry):
        return exception.DuplicateKey(columns=tuple(error.columns))
    if isinstance(error, oslo_exc.DBReferenceError):
        return exception.MissingReference(column=error.key or "", value="")
    origin = _origin(error)
    codes = _codes(origin)
    # Neither the statement nor the driver's own words: both may show what is stored. Of the
    # URL nothing but the place: a password may be in its query, too.
    place = engine.url.host or engine.url.database or "memory"
    told = (type(origin).__name__, _told(codes), "from", engine.dialect.name, "at", place)
    reason = " ".join(filter(None, told))
    return _refusal(error, origin, reason, connecting)


def _refusal(
    error: Exception, origin: Any, reason: str, connecting: bool
) -> exception.DatabaseError:
    codes = _codes(origin)
    if codes & _FORBIDDEN:
        return exception.DatabaseError(reason=f"the account may not do this: {reason}")
    if connecting and (codes & _NO_TLS or _NO_TLS_WORDS.search(str(origin))):
        return exception.DatabaseError(reason=f"TLS can't be had as the URL asks: {reason}")
    if connecting and (codes & _NO_ENTRY or _is_refused(origin)):
        return exception.DatabaseError(reason=f"the account can't connect: {reason}")
    busy = (oslo_exc.DBDeadlock, exc.TimeoutError)
    if connecting or codes & _BUSY or isinstance(error, busy):
        may_retry = "SQLITE_CANTOPEN" not in codes
        return exception.DatabaseUnavailable(reason=reason, may_retry=may_retry)
    is_lost = codes & _LOST or any(str(code).startswith("08") for code in codes)
    if is_lost or isinstance(error, oslo_exc.DBConnectionError):
        return exception.DatabaseUnavailable(reason=reason, is_lost=True)
    return exception.DatabaseError(reason=reason)


def _is_refused(origin: Any) -> bool:
    """Tell whether PostgreSQL has refused the account or the database, which it names then."""
    words, known = str(origin), getattr(origin, "pgconn", None)
    if _NO_ENTRY_WORDS.search(words):
        return True
    if known is None or _FULL_WORDS in words:
        return False
    names = [name.decode(errors="replace") for name in (known.user, known.db) if name]
    # Behind what is said by libpq, which names the place.
    quoted = rf":  .*{_QUOTE}\s*({'|'.join(map(re.escape, names))})\s*{_QUOTE}"
    return bool(names) and re.search(quoted, words) is not None


def _origin(error: Any) -> Any:
    """Return the driver's own error, where there is one."""
    while inner := getattr(error, "inner_exception", None) or getattr(error, "orig", None):
        error = inner
    return error


def _codes(origin: Any) -> Set[Any]:
    """Return what a driver calls its error: a SQLSTATE, a name, a number, or two of them."""
    named = {getattr(origin, "sqlstate", None), getattr(origin, "sqlite_errorname", None)}
    numbered = {arg for arg in origin.args[:1] if isinstance(arg, int)}
    return (named | numbered) - {None}


def _told(codes: Set[Any]) -> str:
    return " ".join(sorted(map(str, codes)))
