# SPDX-License-Identifier: Apache-2.0
"""The pages on the way to the SQL name the functions that run, in order, and the statements."""

import doctest
import re
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import factory
from tests.documents import block, page
from watcher_objects import Audit, claims
from watcher_objects.db import claims as rows
from watcher_objects.db import models
from watcher_objects.db.sql import claimable
from watcher_objects.db.sql import claims as sql

_STEP = re.compile(r"``([\w.<>]+)``\s+in\s+``([\w/]+\.py)``")
LIBRARY = Path(sys.modules["watcher_objects"].__file__).parent


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
def test_the_page_names_the_functions_of_a_save_in_their_order(database, context):
    first, second = (factory.stored(Audit, context) for _ in range(2))
    first.state = second.state = "ONGOING"
    # What is compiled once has been compiled.
    first.save()
    steps, _ = page("internals").split("If the UPDATE matches no row")
    compare(steps, second.save)


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
def test_the_page_names_the_functions_of_a_claim_in_their_order(database, context):
    for _ in range(2):
        factory.stored(Audit, context)
    with claims.Worker(context):
        claims.claim_next(context, Audit).finish("FAILED")
        steps, _ = page("claim-internals").split("``lease.finish(state)`` calls")
        compare(steps, lambda: claims.claim_next(context, Audit))


def compare(steps, call):
    """Compare the functions that a page names with those that a call runs."""
    calls = []

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and LIBRARY in path.parents:
            calls.append((frame.f_code.co_qualname, str(path.relative_to(LIBRARY))))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    named = _STEP.findall(steps)
    assert len(named) >= 13
    rest = iter(calls)
    assert [step for step in named if step not in rest] == []


def of(url):
    return sa.create_engine(url, paramstyle="format").dialect


def excerpt(kind):
    """Return the statement of a page, with a pattern for what it omits or shows as a constant."""
    text = " ".join(block(f"claim {kind}", page("claim-internals")).split())
    constants = r"'[A-Z]+'|(?<=[=>] )\d+(?=[ )])|(?<=, )5(?=\))|(?<=LIMIT )10"
    text = re.sub(constants, "...", text)
    return squeezed(text).replace("deleted=...", "deleted=0")


def squeezed(text):
    return re.sub(r"\s*([(),;=<>])\s*", r"\1", " ".join(text.split()))


def test_the_page_shows_the_statements_of_claims():
    table = models.audits
    names = tuple(rows._bound(table, rows.Claimant(1, "host-1"), 1))
    waiting = sql.Wanted(table, claimable.Kind.WAITING, {"audit_type": "ONESHOT"}, 5).shape
    abandoned = sql.Wanted(table, claimable.Kind.ABANDONED, None).shape
    postgresql, mariadb = of("postgresql+psycopg://"), of("mariadb+pymysql://")
    sqlite = sa.create_engine("sqlite://").dialect
    alone = excerpt("sqlite").split(";")[1]
    shown = {
        excerpt("postgresql"): sql._write_in_with(postgresql, waiting, names, True),
        excerpt("mariadb"): sql._write_in_loop(mariadb, waiting, names, True),
        alone.replace("OFFSET 0", "OFFSET ..."): sql._write_in_chain(sqlite, waiting, names, True),
        excerpt("finish"): sql._locked(postgresql, claimable.LeaseShape(table, 2)),
        excerpt("takeover"): sql._claim_candidate(sqlite, abandoned, names, True, False),
    }
    checker = doctest.OutputChecker()
    for text, statement in shown.items():
        made = squeezed(statement.text)
        assert checker.check_output(text + "\n", made + "\n", doctest.ELLIPSIS), made
