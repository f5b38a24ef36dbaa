# SPDX-License-Identifier: Apache-2.0
"""The check of a run of workers: what they wrote through leases, by the triggers' record."""

import collections
import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.chaos.checker import Finding, check_calls, check_chains
from tests.chaos.checker import Kind as Done
from tests.chaos.history import FAIL, History, Records, Write
from watcher_objects.states import State

#: States that nothing follows here, and those in which there is work left.
FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
#: Seconds by which a heartbeat may come too late for a takeover that has already begun.
RACE = 0.2


class Kind(enum.StrEnum):
    """What can be wrong with claims."""

    WRONG = "a write through a lease that was not the latest"
    AFTER_END = "a write to an audit that had ended"
    ABANDONED = "an audit that nobody has ended"
    TOO_MANY = "more attempts than allowed"
    GIVEN_UP = "an audit that failed with attempts left"
    TAKEN_ALIVE = "a takeover from a worker that was alive"
    UNKNOWN = "a claim that its worker does not know of"
    TWICE = "two leases with one token"
    SHARED = "a worker that is two processes"
    GAP = "a number of a transition that is missing or repeated"
    JOURNAL = "a journal with other transitions than the row has made"
    UNREQUESTED = "a write that no call requested"


class Limits(NamedTuple):
    """What a run allows."""

    attempts: int
    ttl: float


def check(history: History, records: Records, limits: Limits) -> list[Finding]:
    """Return all that is wrong with a run of workers."""
    chains = collections.defaultdict(list)
    for write in records.writes:
        chains[write.audit].append(write)
    # A claim leaves the token of the call before.
    of_calls = [w for w in records.writes if w.old is None or w.old.token != w.new.token]
    return [
        *check_chains(records, chains),
        *_check_calls(history, of_calls),
        *_check_writes(history, records, limits),
        *_check_numbers(records, chains),
        *_check_leases(history, records),
        *_check_ends(records),
    ]


def figures(history: History, records: Records, findings: Sequence[Finding]) -> dict[str, float]:
    """Return what was counted."""
    found = collections.Counter(finding.kind for finding in findings)
    ends = collections.Counter(version.state for version, _ in records.rows.values())
    late = [c for token, c in history.calls.items() if token in history.fences]
    return {
        "audits": len(records.rows),
        "run to their end": ends[State.SUCCEEDED],
        "cancelled": ends[State.CANCELLED],
        "out of attempts": ends[State.FAILED],
        "claims": sum(map(len, history.leases)),
        "takeovers": sum(_is_takeover(write) for write in records.writes),
        "late writes rejected": sum(call.result == FAIL for call in late),
        "wrong": found[Kind.WRONG] + found[Kind.AFTER_END],
        "abandoned": found[Kind.ABANDONED],
    }


def _check_calls(history: History, writes: Sequence[Write]) -> Iterator[Finding]:
    """Check calls, of which a save may find its lease lost after it was written.

    That is so if its answer was lost, and the lease was revoked before the save was repeated.
    """
    refused = {str(c) for c in history.calls.values() if (c.op, c.result) == ("touch", FAIL)}
    for finding in check_calls(history, writes):
        if finding.kind is not Done.DONE_ALTHOUGH_REFUSED or finding.detail not in refused:
            yield finding


def _is_claim(write: Write) -> bool:
    """Return whether a write has given a row to a worker."""
    old, new = write.old, write.new
    return bool(old and (new.worker or 0) > 0 and new.moves != old.moves)


def _is_takeover(write: Write) -> bool:
    return bool(_is_claim(write) and write.old and write.old.state == State.ONGOING)


def _check_writes(history: History, records: Records, limits: Limits) -> Iterator[Finding]:
    for write in records.writes:
        for kind in _faults(history, write, limits):
            yield Finding(kind, write.audit, str(write))


def _faults(history: History, write: Write, limits: Limits) -> Iterator[Kind]:
    old, new = write.old, write.new
    if old is None:
        return
    if old.state in FINAL:
        yield Kind.AFTER_END
    if (new.attempts or 0) > limits.attempts:
        yield Kind.TOO_MANY
    if new.token == old.token:
        latest = limits.ttl - RACE
        if _is_takeover(write) and old.worker and 0 < (write.alive_for or 0) < latest:
            yield Kind.TAKEN_ALIVE
    elif new.token in history.fences:
        if history.fences[new.token or ""] != (old.worker, old.moves):
            yield Kind.WRONG
    elif new.token not in history.calls:
        if new.state != State.FAILED:
            yield Kind.UNREQUESTED
        elif (old.attempts or 0) < limits.attempts:
            yield Kind.GIVEN_UP


def _check_numbers(records: Records, chains: dict[str, list[Write]]) -> Iterator[Finding]:
    for audit, chain in chains.items():
        made = [w for w in chain if w.old is None or w.new.moves != w.old.moves]
        numbers = [write.new.moves for write in made]
        if numbers != [*range(1, len(numbers) + 1)]:
            yield Finding(Kind.GAP, audit, str(numbers))
        moves = [(w.new.moves, w.old and w.old.state, w.new.state) for w in made]
        if records.journal.get(audit, []) != moves:
            yield Finding(Kind.JOURNAL, audit, f"{records.journal.get(audit)} of {moves}")


def _check_leases(history: History, records: Records) -> Iterator[Finding]:
    """Check that a worker is one process, and has one lease on each row that it has claimed."""
    processes = collections.Counter(
        worker for leases in history.leases for worker in {worker for worker, *_ in leases}
    )
    for worker, number in processes.items():
        if number > 1:
            yield Finding(Kind.SHARED, "", f"worker {worker}, {number} processes")
    known = collections.Counter(lease for leases in history.leases for lease in leases)
    for lease, times in known.items():
        if times > 1:
            yield Finding(Kind.TWICE, lease[1], str(lease))
    given_back = _given_back(records)
    for leases in _claimed(records):
        # Of its last claim a worker may know nothing, as it was killed.
        last = max((place for place, one in enumerate(leases) if one in known), default=0)
        for lease in leases[:last]:
            # If another has revoked a claim whose answer was lost, nothing is left to find.
            if lease not in known and lease[1:] in given_back:
                yield Finding(Kind.UNKNOWN, lease[1], str(lease))


def _claimed(records: Records) -> Iterable[list[tuple[Any, str, Any]]]:
    """Return what each worker has claimed, in order: worker, audit and token."""
    claimed = collections.defaultdict(list)
    for write in records.writes:
        if _is_claim(write):
            claimed[write.new.worker].append((write.new.worker, write.audit, write.new.moves))
    return claimed.values()


def _given_back(records: Records) -> set[tuple[str, Any]]:
    """Return the audits, and the tokens, that were left to other workers."""
    return {
        (write.audit, write.old.moves)
        for write in records.writes
        if write.old and (write.old.state, write.new.state) == (State.ONGOING, State.ONGOING)
        if write.new.worker == 0
    }


def _check_ends(records: Records) -> Iterator[Finding]:
    for audit, (version, _) in records.rows.items():
        if version.state not in FINAL:
            yield Finding(Kind.ABANDONED, audit, str(version))
