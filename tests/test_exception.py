# SPDX-License-Identifier: Apache-2.0
"""Errors: their messages, their arguments, and their way through pickle."""

import inspect
import os
import pickle
import re
from pathlib import Path

import pytest

from watcher_objects import exception

ERRORS = [
    error
    for _, error in inspect.getmembers(exception, inspect.isclass)
    if issubclass(error, exception.WatcherException)
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_message_of_its_own_and_survives_pickle(error):
    made = error(message=None)
    assert str(made)
    assert error.msg_fmt == error.__doc__.splitlines()[0]
    again = pickle.loads(pickle.dumps(error("text", name="n")))  # noqa: S301 - our own
    assert (type(again), str(again), again.kwargs["name"]) == (error, "text", "n")


def test_a_message_is_filled_from_the_keywords():
    error = exception.AuditNotFound(audit="nightly")
    assert str(error) == error.format_message() == "Audit nightly not found"
    assert error.kwargs == {"audit": "nightly", "code": 404}
    assert error.code == 404
    # One that is missing breaks nothing.
    assert "name" in str(exception.AuditNotFound(name="nightly"))
    assert str(exception.AuditNotFound())


@pytest.mark.parametrize(
    "value",
    [10**5000, "x" * 10_000, "\ud800", "a\0b", "two\nlines", object()],
    ids=["huge", "long", "surrogate", "nul", "lines", "object"],
)
def test_a_message_can_be_printed_whatever_is_in_it(value):
    message = str(exception.AuditNotFound(audit=value))
    assert message.isprintable()
    assert len(message) < 600


def test_a_subclass_may_set_its_message():
    class Mine(exception.AuditNotFound):
        msg_fmt = "gone: %(audit)s"

    class Yours(Mine):
        pass

    assert str(Mine(audit=1)) == str(Yours(audit=1)) == "gone: 1"


class _Mute(Exception):
    def __str__(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\0b\ud800"), "a\ufffdb\ufffd"),
        (OSError(2, "Not there", os.fsdecode(b"\xfc")), "[Errno 2] Not there: '\\udcfc'"),
        (ValueError("x" * 256), "x" * 252 + "..."),
        (ValueError("\U0001f600" * 255), "\U0001f600" * 255),
        (ValueError("two\nlines"), "two\nlines"),
        (TimeoutError(), "TimeoutError"),
        (_Mute(), "_Mute"),
        ("", ""),
    ],
)
def test_the_text_of_any_error_fits_a_column(error, text):
    assert exception.storable_text(error) == text


@pytest.mark.parametrize(("length", "text"), [(5, "abcde"), (4, "a..."), (2, ".."), (0, "")])
def test_a_text_is_cut_to_the_length_of_its_column(length, text):
    assert exception.storable_text("abcde", length) == text


def test_an_error_of_a_taken_key_names_its_fields():
    error = exception.ServiceAlreadyExists(name="n", host="h", fields=("host", "name"))
    assert str(error) == "Service n on h already exists: its host and name are taken"
    assert error.fields == ("host", "name")
    assert str(exception.AuditAlreadyExists(audit="a")) == "Audit a already exists"


def test_what_a_caller_of_watcher_catches_catches_it():
    assert issubclass(exception.Invalid, ValueError)
    assert issubclass(exception.AuditNotFound, exception.ResourceNotFound)
    assert issubclass(exception.ResourceNotFound, exception.ObjectNotFound)
    assert issubclass(exception.AuditAlreadyExists, exception.Conflict)
    assert issubclass(exception.AuditReferenced, exception.Invalid)
    assert issubclass(exception.UnknownField, AttributeError)


def test_a_rejected_transition_names_what_is_allowed():
    error = exception.InvalidStateTransition(
        name="audits", id=1, initial="PENDING", new="FAILED", allowed=("CANCELLED", "ONGOING")
    )
    assert (error.initial, error.new) == ("PENDING", "FAILED")
    assert error.allowed == ("CANCELLED", "ONGOING")
    assert str(error).endswith("from PENDING to FAILED; allowed: CANCELLED, ONGOING")


def test_errors_of_watchers_services_stand_in_one_block():
    path = Path(exception.__file__)
    ours, block = path.read_text().split("by Watcher's services only")
    # The adapter is code of Watcher's services.
    sources = (p for p in path.parent.rglob("*.py") if "adapter" not in p.parts)
    elsewhere = (p.read_text() for p in sources if p != path)
    raised = set(re.findall(r"\w+", " ".join([*elsewhere, re.sub(r"class \w+", "", ours)])))
    named = {part: set(re.findall(r"^class (\w+)", part, re.MULTILINE)) for part in (ours, block)}
    assert named[block] & raised == set()
    assert named[ours] <= raised
