# SPDX-License-Identifier: Apache-2.0
"""Translation of the errors of drivers, SQLAlchemy and oslo.db to those of this library."""

import logging
import types
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import sqlalchemy as sa
from oslo_db import exception as oslo_exc
from oslo_db.sqlalchemy import exc_filters
from sqlalchemy import exc

from watcher_objects import exception
from watcher_objects.db.backend import dialects
from watcher_objects.db.backend.dialects.error_codes import ErrorCodes

#: The columns of the number of a transition.
_NUMBER = ("resource", "object_id", "seq")


def handle(context: Any) -> Any:
    """Translate an error inside SQLAlchemy as oslo.db does, which logs it, too.

    Stored values are removed from the message first.
    """
    if context.sqlalchemy_exception is None:
        # Not the driver's, but an interrupt or a time limit, and raised as it is. A cursor that
        # is still open would keep SQLite's lock.
        with suppress(Exception):
            context.execution_context.cursor.close()
        return None
    if isinstance(context.original_exception, exception.WatcherException):
        # What a listener of ours raises is translated already.
        return None
    known = dialects.of(context.dialect).errors
    codes = known.of(context.original_exception)
    if codes & (known.duplicate | known.reference | known.unfit.keys()):
        # Known by its code. oslo.db knows it by English words, and else logs it with its values.
        return None
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            error.args = _cut(known, codes, error.args)
    if codes & (known.read_only | known.not_prepared):
        # Nothing was done, and nothing more can be done on this connection.
        context.is_disconnect = True
    return exc_filters.handler(context)


def tells_no_row(record: logging.LogRecord) -> bool:
    """Return whether what SQLAlchemy logs is not a row that it has fetched, as at DEBUG."""
    return not str(record.msg).startswith("Row ")


def wrap_dbapi(dialect: Any, error: Exception, text: str, is_gone: bool) -> tuple[Exception, bool]:
    """Return a driver's error as SQLAlchemy and :func:`handle` would, which it did not pass.

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
        # As a handler of SQLAlchemy may.
        handled = raised
    return handled or wrapped, context.is_disconnect


def _cut(known: ErrorCodes, codes: Set[Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    if known.has_value(codes):
        return (*args[:-1], f"({_format_codes(codes)}, a value does not fit its column)")
    # After the first line PostgreSQL shows the row.
    return tuple(arg.partition("\n")[0] if isinstance(arg, str) else arg for arg in args)


def _duplicate(columns: Sequence[str]) -> exception.WatcherException:
    if columns != _NUMBER:
        return exception.DuplicateKey(columns=columns)
    reason = "the journal has later transitions of a row that another program has stored again"
    return exception.DatabaseUnavailable(reason=reason, may_retry=True, is_history_ahead=True)


@contextmanager
def translated(engine: sa.Engine, connecting: bool = False) -> Iterator[None]:
    """Translate database errors in the block to those of :mod:`watcher_objects.exception`."""
    try:
        yield
    except Exception as error:
        raise_translated(engine, error, connecting)


def raise_translated(engine: sa.Engine, error: Exception, connecting: bool = False) -> NoReturn:
    """Raise the translation of a database's error."""
    # One of ours is wrapped if it was raised while a statement was prepared.
    if isinstance(ours := _origin(error), exception.WatcherException):
        raise ours
    if is_of_database(engine, error):
        raise _translate(engine, error, connecting) from error
    if connecting and isinstance(error, NotImplementedError):
        # What SQLAlchemy raises of a connection that goes away while it is asked what it is.
        reason = f"the connection to {engine.dialect.name} was lost"
        raise exception.DatabaseUnavailable(reason=reason, may_retry=True) from error
    if isinstance(error, TimeoutError):
        # A limit of the caller's: drivers wrap their own.
        raise error
    if isinstance(error, AttributeError | OSError | LookupError | TypeError | ValueError):
        # A driver on arguments that it can't use, or on a stored value that it can't read;
        # either may be in the message.
        reason = f"{type(error).__name__} from {engine.dialect.name}'s driver"
        raise exception.DatabaseError(reason=reason) from None
    raise error


def is_unmatched(engine: sa.Engine, error: BaseException) -> bool:
    """Return whether an error means that the statement before COMMIT matched no row."""
    known = dialects.of(engine).errors
    cause = error.__cause__
    return cause is not None and bool(known.of(_origin(cause)) & known.unmatched)


def is_of_database(engine: sa.Engine, error: Exception) -> bool:
    """Return whether an error is the driver's own, as it is or wrapped."""
    foreign = (oslo_exc.DBError, exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
    return isinstance(error, foreign)


def _translate(
    engine: sa.Engine, error: Exception, connecting: bool
) -> exception.WatcherException:
    origin, known = _origin(error), dialects.of(engine).errors
    codes = known.of(origin)
    if codes & known.duplicate:
        return _duplicate(known.columns(origin))
    if codes & known.reference:
        columns = known.columns(origin)
        return exception.MissingReference(column=columns[0] if columns else "", value="")
    # Neither the statement nor the driver's own words: both may show what is stored. Of the
    # URL nothing but the place: a password may be in its query, too.
    place = engine.url.host or engine.url.database or "memory"
    words = (
        type(origin).__name__,
        _format_codes(codes),
        "from",
        engine.dialect.name,
        "at",
        place,
    )
    reason = " ".join(filter(None, words))
    return _refusal(known, error, origin, reason, connecting)


def _refusal(
    known: ErrorCodes, error: Exception, origin: Any, reason: str, connecting: bool
) -> exception.DatabaseError:
    codes = known.of(origin)
    if what := _forbidden(known, codes, origin):
        return exception.DatabaseError(reason=f"{what}: {reason}")
    if connecting and (lasting := _lasting(known, codes, origin)):
        return exception.DatabaseError(reason=f"{lasting}: {reason}")
    busy = (oslo_exc.DBDeadlock, exc.TimeoutError)
    if connecting or codes & known.busy or isinstance(error, busy):
        may_retry = not codes & known.lasting
        if codes & known.read_only:
            reason = f"the server accepts no writes: {reason}"
        return exception.DatabaseUnavailable(reason=reason, may_retry=may_retry)
    if known.is_lost(codes) or isinstance(error, oslo_exc.DBConnectionError):
        return exception.DatabaseUnavailable(reason=reason, is_lost=True)
    return exception.DatabaseError(reason=reason)


def _forbidden(known: ErrorCodes, codes: Set[Any], origin: Any) -> str | None:
    """Return the obstacle of the account, the session, the database or a pooler, if any."""
    if codes & known.forbidden:
        return "the account may not do this"
    for code in codes & known.unfit.keys():
        return known.unfit[code]
    return known.obstacle(origin)


def _lasting(known: ErrorCodes, codes: Set[Any], origin: Any) -> str | None:
    """Return the reason why connecting fails, if a retry would fail too."""
    if codes & known.no_tls or known.no_tls_words.search(str(origin)):
        return "TLS can't be had as the URL asks"
    if codes & known.no_entry or known.is_refused(origin):
        return "the account can't connect"
    return "the session can't be set up" if codes & known.no_session else None


def _origin(error: Any) -> Any:
    """Return the driver's error, if there is one."""
    while inner := getattr(error, "inner_exception", None) or getattr(error, "orig", None):
        error = inner
    return error


def _format_codes(codes: Set[Any]) -> str:
    return " ".join(sorted(map(str, codes)))
