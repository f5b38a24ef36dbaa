# SPDX-License-Identifier: Apache-2.0
"""A node of a cluster dies while the others work."""

import functools
from contextlib import closing
from multiprocessing.process import BaseProcess

import sqlalchemy as sa

from tests.chaos import claims, mix
from tests.chaos.arena import Arena, Report, Run, arena
from tests.chaos.judge import Kind
from tests.chaos.proxy import Proxy

#: How much a worker has written down when the node dies.
BYTES = 5_000


def crash(run: Run) -> Report:
    """Let all processes do anything on the other nodes."""
    with arena(run, run.urls[:-1]) as place:
        kill = functools.partial(_kill_node, place)
        place.work(mix.make_calls, meanwhile=kill, calls=run.calls)
        return place.judged("node-crash", disturbances=1)


def failover(run: Run) -> Report:
    """Let all processes claim all audits; those on the node that dies go on with another.

    Of a claim whose answer gets lost, and whose audit another has then, nobody can tell.
    """
    proxy = Proxy(*map(sa.make_url, reversed(run.urls)))
    with closing(proxy), arena(run, [*run.urls[:-1], proxy.address]) as place:
        kill = functools.partial(_kill_node, place)
        place.work(claims.contest, meanwhile=kill, audits=run.audits)
        allowed = {Kind.OPEN}
        return place.judged("failover", none_left=True, allowed=allowed, disturbances=1)


def _kill_node(place: Arena, worker: BaseProcess) -> None:
    place.await_calls(worker, BYTES)
    place.run.servers[-1].kill()
