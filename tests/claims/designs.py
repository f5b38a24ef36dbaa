# SPDX-License-Identifier: Apache-2.0
"""The design of claims as rules that can be switched, and naive designs, each with other rules."""

from typing import Literal, NamedTuple


class Design(NamedTuple):
    """The rules of a design; the defaults are those of this library."""

    #: What a write that ends a lease requires, except the row's id: its token; its state; its
    #: worker's id; the token, but read in a statement before.
    finish: Literal["token", "state", "worker", "token read before", "nothing"] = "token"
    #: What the write of a takeover requires, except the row's id.
    take_over: Literal["token and time", "token", "state and time", "state", "nothing"] = (
        "token and time"
    )
    #: Whether a takeover raises the token.
    take_over_raises: bool = True
    #: Which rows the scan for takeovers finds: those whose worker is not alive; those whose worker
    #: is in the table, and not alive; those that were given back when their worker was removed.
    scan: Literal["not alive", "in the table", "given back"] = "not alive"
    #: Whose time a heartbeat extends: its own worker's, or that of any worker that has the row.
    beat: Literal["own", "any"] = "own"
    #: Whether all workers of a host have one id.
    one_id: bool = False
    #: What the look after the lost answer of a claim accepts: the row as this call has written it;
    #: the row if this call has written it once; the row as it is in a second statement; any row of
    #: the worker; nothing.
    look: Literal["call", "call once", "second statement", "worker", "nothing"] = "call"
    #: Whether a caller whose write was lost looks in the journal whether it has taken effect.
    is_journaled: bool = True
    #: Whether a worker gives back a row that has its id, and on which it has no lease.
    reconcile: bool = True
    #: Whether it first waits for the calls that may have claimed the row.
    explain: bool = True
    #: Which leases a heartbeat may find lost: those that were held when it read the rows, or
    #: those that are held when it compares.
    losses: Literal["as read", "as compared"] = "as read"
    #: How a heartbeat treats a lease that its caller has dropped: the row is given back, or the
    #: lease is held.
    dropped: Literal["given back", "held"] = "given back"
    #: Whether a plain write of a state raises the token.
    plain_raises: bool = True
    #: What a pause does to a claim: it gives the row back and does not count the attempt; gives it
    #: back and counts it; clears the columns of the claim.
    pause: Literal["uncounted", "counted", "cleared"] = "uncounted"
    #: Whether a trigger treats the writes of another program as plain writes.
    trigger: bool = True


DESIGN = Design()


class Naive(NamedTuple):
    """A design with a flaw: the configuration and the invariant in which that shows."""

    design: Design
    invariant: str
    configuration: str = "core"


NAIVE = {
    "finish requires the id": Naive(Design(finish="nothing"), "I2"),
    "finish requires the state": Naive(Design(finish="state"), "I1"),
    "finish requires the worker, whose id is its host": Naive(
        Design(finish="worker", one_id=True), "I1"
    ),
    "finish reads the token before": Naive(Design(finish="token read before"), "I1"),
    "takeover requires the id": Naive(Design(take_over="nothing"), "I5"),
    "takeover requires the id, and the row has ended": Naive(Design(take_over="nothing"), "I3"),
    "takeover requires the state": Naive(Design(take_over="state"), "I5"),
    "takeover requires the state and the time": Naive(Design(take_over="state and time"), "I5"),
    "takeover requires the token, not the time": Naive(Design(take_over="token"), "I5"),
    "takeover keeps the token": Naive(Design(take_over_raises=False), "I1"),
    "heartbeat extends the row's worker": Naive(Design(beat="any"), "I4"),
    "claim is sent again without a look": Naive(Design(look="nothing", reconcile=False), "I7"),
    "finish is sent again without a look": Naive(Design(is_journaled=False), "I6"),
    "suspend and resume keep the token": Naive(Design(plain_raises=False), "I1", "pause"),
    "another program writes, without a trigger": Naive(Design(trigger=False), "I1", "foreign"),
    "rows are given back when their worker is removed": Naive(Design(scan="given back"), "I7"),
    "takeover joins the table of workers": Naive(Design(scan="in the table"), "I7"),
    "worker's id is its host": Naive(Design(one_id=True), "I4"),
    "worker does not reconcile": Naive(Design(reconcile=False), "I7"),
    "worker gives back what a call has claimed": Naive(Design(explain=False), "I5"),
    "heartbeat compares new leases with old rows": Naive(Design(losses="as compared"), "I6"),
    "pause clears the claim": Naive(Design(pause="cleared"), "I7", "pause"),
    "pause counts as an attempt": Naive(Design(pause="counted"), "I5", "pause"),
    "dropped lease is taken for held": Naive(Design(dropped="held"), "I7", "give back"),
    "look accepts any row of the worker": Naive(Design(look="worker"), "I1", "two callers"),
    "look reads the row in a second statement": Naive(Design(look="second statement"), "I1"),
    "look accepts a row written since": Naive(Design(look="call once"), "I1"),
}
