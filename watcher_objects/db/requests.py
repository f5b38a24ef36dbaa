# SPDX-License-Identifier: Apache-2.0
"""What has been asked for and answered, so that it does not happen twice."""

import datetime
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import models, retries, transactions
from watcher_objects.db.retries import Found

_requests = models.rpc_requests


def _known(lost: Any, token: str, run: Any) -> str | Found:
    """Find the answer where it is not known whether it was stored, and tell of what was."""
    for answer in _answers(token):
        transactions.tell(lost.untold)
        return answer
    return Found.NOTHING


@retries.looking(_known)
def once(token: str, run: Callable[[], str]) -> str:
    """Return the answer to a request: what was answered before, or else what ``run`` returns.

    What ``run`` writes and its answer are one transaction. Of two who are asked the same at
    once, on whatever hosts, one waits for the other.

    :param token: what tells the request from all others
    :param run: raises no DuplicateKey, which says that somebody else is answering
    """
    asked = sa.insert(_requests).values(token=token, created_at=timeutils.utcnow())
    for answer in _answers(token):
        return answer

    def answered() -> str:
        transactions.execute(asked)
        answer = run()
        mine = _requests.c.token == token
        transactions.execute(sa.update(_requests).values(answer=answer).where(mine))
        return answer

    try:
        return transactions.whole(answered)
    except exception.DuplicateKey:
        return _answers(token)[0]


def _answers(token: str) -> list[str]:
    found = sa.select(_requests.c.answer).where(_requests.c.token == token)
    return [row.answer for row in transactions.execute(found).rows]


@retries.retried
def forget(seconds: float) -> int:
    """Forget the requests that are older, and return how many they were."""
    limit = timeutils.utcnow() - datetime.timedelta(seconds=seconds)
    return transactions.execute(sa.delete(_requests).where(_requests.c.created_at < limit)).matched
