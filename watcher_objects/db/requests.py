# SPDX-License-Identifier: Apache-2.0
"""What has been asked for and answered, so that it does not happen twice."""

import datetime
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import models, transactions
from watcher_objects.db.sql import write_outcome
from watcher_objects.db.transactions import retries
from watcher_objects.db.transactions.retries import Found

_requests = models.rpc_requests


def _known(lost: Any, token: str, run: Any) -> str | Found:
    """Find the answer if it is not known whether it was stored, and publish what was."""
    for answer in _answers(token):
        transactions.run_callbacks(lost.untold)
        return answer
    return Found.NOTHING


@retries.looking(_known)
def execute_once(token: str, run: Callable[[], str]) -> str:
    """Return the answer to a request: what was answered before, or else what ``run`` returns.

    What ``run`` writes and its answer are one transaction. Of two who are asked the same at
    once, on whatever hosts, one waits for the other.

    :param token: what distinguishes the request from all others
    :param run: raises no DuplicateKey, which says that somebody else is answering
    :raises WriteSuppressed: a trigger or a policy keeps the token or the answer from being stored
    """
    asked = sa.insert(_requests).values(token=token, created_at=timeutils.utcnow())
    mine = sa.update(_requests).where(_requests.c.token == token)
    for answer in _answers(token):
        return answer

    def answered() -> str:
        if not transactions.execute(asked.returning(_requests.c.token)).rows:
            raise write_outcome.suppressed(_requests, token, "the INSERT returned no row")
        answer = run()
        if transactions.execute(mine.values(answer=answer)).matched != 1:
            raise write_outcome.suppressed(_requests, token, "the UPDATE matched no row")
        return answer

    try:
        return transactions.atomic(answered)
    except exception.DuplicateKey as error:
        for answer in _answers(token):
            return answer
        observed = "its token is taken and can't be read"
        raise write_outcome.suppressed(_requests, token, observed) from error


def _answers(token: str) -> list[str]:
    found = sa.select(_requests.c.answer).where(_requests.c.token == token)
    rows = transactions.execute(found).rows
    if rows and rows[0].answer is None:
        raise write_outcome.suppressed(_requests, token, "its token was stored without an answer")
    return [row.answer for row in rows]


@retries.retried
def expire(seconds: float) -> int:
    """Forget the requests that are older, and return how many they were."""
    limit = timeutils.utcnow() - datetime.timedelta(seconds=seconds)
    return transactions.execute(sa.delete(_requests).where(_requests.c.created_at < limit)).matched
