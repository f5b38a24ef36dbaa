# SPDX-License-Identifier: Apache-2.0
"""Watcher in processes of its own, on its objects and on ours."""

import itertools

import pytest

from tests import documents
from tests.chaos.tiers import long
from tests.deployment.comparison import DIFFERENCES
from tests.deployment.deployment import MODE

SHORT = ("mariadb", MODE)
ALL = itertools.product(("mariadb", "postgresql"), sorted({MODE, "eventlet"}))
MODES = [pytest.param(one, marks=() if one == SHORT else long) for one in ALL]


@pytest.fixture(scope="module", params=MODES, ids="-".join)
def comparison(request, compared):
    """Both deployments on a kind of database server, in a mode of Watcher."""
    database, mode = request.param
    return compared(database=database, mode=mode)


def test_answers_states_and_notifications_are_those_of_watcher(comparison):
    unexpected = comparison.unexpected()
    assert not unexpected, "\n".join(unexpected)


def test_no_call_fails_while_the_database_restarts(comparison):
    assert comparison.ours.failed_calls == 0
    assert comparison.watcher.failed_calls > 0, "the restart was not noticed"


def test_no_audit_runs_twice(comparison):
    assert comparison.ours.run_twice == {}


def test_notifications_carry_the_old_state(comparison):
    assert comparison.ours.wrong_old_states == 0


def test_logs_have_no_errors_that_watcher_alone_has_not(comparison):
    more = {k: n for k, n in comparison.ours.errors.items() if k not in comparison.watcher.errors}
    assert more == {}


def test_differences_are_documented():
    page = " ".join(documents.PAGES["watcher-services.rst"].split())
    reasons = {difference.reason.removesuffix(".") for difference in DIFFERENCES}
    assert {reason for reason in reasons if reason not in page} == set()
