# SPDX-License-Identifier: Apache-2.0
"""A node of a cluster dies while the others work."""

from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess

import sqlalchemy as sa

from tests.fire import claims, mix
from tests.fire.arena import Arena, Report, Run, arena
from tests.fire.judge import Kind
from tests.fire.proxy import Proxy

#: How much a worker has written down when the node dies.
BYTES = 20_000


def crash(run: Run) -> Report:
    """Let all processes do anything on the other nodes."""
    with arena(run, run.urls[:-1]) as place:
        place.work(mix.make_calls, meanwhile=_killing(place), calls=run.calls)
        return place.judged("node-crash", disturbances=1)


def failover(run: Run) -> Report:
    """Let all processes claim all audits; those on the node that dies go on with another.

    Of a claim whose answer gets lost, and whose audit another has then, nobody can tell.
    """
    proxy = Proxy(*map(sa.make_url, reversed(run.urls)))
    with closing(proxy), arena(run, [*run.urls[:-1], proxy.address]) as place:
        place.work(claims.contest, meanwhile=_killing(place), audits=run.audits)
        allowed = {Kind.OPEN}
        return place.judged("failover", none_left=True, allowed=allowed, disturbances=1)


def _killing(place: Arena) -> Callable[[BaseProcess], None]:
    def kill(worker: BaseProcess) -> None:
        place.until(lambda: place.written(worker) > BYTES)
        place.run.servers[-1].kill()

    return kill
