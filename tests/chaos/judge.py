# SPDX-License-Identifier: Apache-2.0
"""The verdict on a run: what the workers told, held against what the database has seen."""

import collections
import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.chaos.ledger import FAIL, OK, READS, Call, History, Sight, Told
from tests.chaos.oracle import Truth, Version, Write
from watcher_objects import exception
from watcher_objects.states import AuditStateTransitionManager, State


class Kind(enum.StrEnum):
    """What can be wrong."""

    ILLEGAL_MOVE = "a move that the table does not know"
    FALSE_CLAIM = "a claim told ok of an audit that was claimed already"
    LEFT_OVER = "an audit that nobody claimed"
    BROKEN_CHAIN = "a write that does not begin where the last one ended"
    HALF_WRITTEN = "state, deleted and deleted_at that do not go together"
    AFTER_DELETION = "a write to a deleted row"
    NOBODYS = "a write that no call of this audit asked for"
    OTHERWISE = "a write of another state than its call asked for"
    LOST = "a call told ok that wrote nothing"
    TWICE = "a call that wrote more than once"
    DONE_ALTHOUGH_REFUSED = "a call told to have failed that wrote"
    ERROR = "an error that is no refusal reached the caller"
    OPEN = "an error that leaves open what has happened reached the caller"
    EVENT_OF_NOTHING = "an event of a write that did not happen"
    EVENT_REPEATED = "a write told more than once"
    EVENT_MISSING = "a call told ok of which no event was told"
    EVENT_OLD_STATE = "an event with another old state than the row's"
    EVENT_KIND = "an event of another kind than the write"
    IMPOSSIBLE_READ = "a read of what was in no row"
    READ_BACKWARDS = "a read of what was older than what the same worker had read"


#: What is wrong with events.
OF_EVENTS = frozenset(kind for kind in Kind if kind.name.startswith("EVENT"))


class Finding(NamedTuple):
    """One thing that is wrong, and with which audit."""

    kind: Kind
    audit: str
    told: str


Chains = dict[str, list[Write]]


def verdict(history: History, truth: Truth) -> list[Finding]:
    """Return all that is wrong with a run; nothing where all is well."""
    chains: Chains = collections.defaultdict(list)
    for write in truth.writes:
        chains[write.audit].append(write)
    return [
        *_of_chains(truth, chains),
        *_of_writes(history, truth),
        *_of_calls(history, truth),
        *_of_events(history, truth),
        *_of_sights(history, chains),
    ]


def left_over(truth: Truth) -> list[Finding]:
    """Return the audits that are PENDING still."""
    rows = truth.rows.items()
    return [
        Finding(Kind.LEFT_OVER, audit, str(version))
        for audit, (version, _) in rows
        if version.state == State.PENDING
    ]


def _of_chains(truth: Truth, chains: Chains) -> Iterator[Finding]:
    for audit in chains.keys() | truth.rows.keys():
        last: Version | None = None
        for write in chains.get(audit, ()):
            if write.old != last:
                yield Finding(Kind.BROKEN_CHAIN, audit, f"{last} is followed by {write}")
            last = write.new
        now, _ = truth.rows.get(audit, (None, ""))
        if now != last:
            yield Finding(Kind.BROKEN_CHAIN, audit, f"{last} was written, the row has {now}")


def _of_writes(history: History, truth: Truth) -> Iterator[Finding]:
    for write in truth.writes:
        _, audit_type = truth.rows.get(write.audit, (None, ""))
        for kind in _faults_of(write, history.calls.get(write.new.token or ""), audit_type):
            yield Finding(kind, write.audit, str(write))


def _faults_of(write: Write, call: Call | None, audit_type: str) -> Iterator[Kind]:
    old, new = write.old, write.new
    is_deleted = new.state == State.DELETED
    if (new.deleted, new.is_dated) != (write.id if is_deleted else 0, is_deleted):
        yield Kind.HALF_WRITTEN
    if old and (old.deleted or old.state == State.DELETED):
        yield Kind.AFTER_DELETION
    if call is None or call.audit != write.audit or call.op in READS:
        yield Kind.NOBODYS
    elif new.state != (call.to or (old and old.state)):
        yield Kind.OTHERWISE
    if not _is_legal(write, call, audit_type):
        is_claim = call and (call.op, call.result) == ("claim", OK)
        yield Kind.FALSE_CLAIM if is_claim else Kind.ILLEGAL_MOVE


def _is_legal(write: Write, call: Call | None, audit_type: str) -> bool:
    if write.old is None:
        return write.new.state == AuditStateTransitionManager.INITIAL
    old, new = write.old.state, write.new.state
    if old == new:
        return call is not None and call.to is None
    needed = AuditStateTransitionManager.condition(old, new or "")
    return needed is not None and needed.items() <= {"audit_type": audit_type}.items()


def _of_calls(history: History, truth: Truth) -> Iterator[Finding]:
    written = collections.Counter(write.new.token for write in truth.writes)
    for call in history.calls.values():
        times = written[call.token]
        if call.result == OK and times == 0 and call.op not in READS:
            yield Finding(Kind.LOST, call.audit, str(call))
        if times > 1:
            yield Finding(Kind.TWICE, call.audit, f"{call} wrote {times} times")
        if call.result == FAIL and times:
            yield Finding(Kind.DONE_ALTHOUGH_REFUSED, call.audit, str(call))
        if call.result != FAIL and call.error:
            is_open = call.error.startswith(exception.OutcomeUnknown.__name__)
            yield Finding(Kind.OPEN if is_open else Kind.ERROR, call.audit, str(call))


def _of_events(history: History, truth: Truth) -> Iterator[Finding]:
    written = {write.new.token: write for write in truth.writes}
    told = collections.Counter(event.token for event in history.events)
    for event in history.events:
        for kind in _faults_of_event(event, written.get(event.token)):
            yield Finding(kind, event.audit, f"{event} of {written.get(event.token)}")
    for call in history.calls.values():
        if told[call.token] > 1:
            yield Finding(Kind.EVENT_REPEATED, call.audit, str(call))
        if call.result == OK and call.op not in READS and not told[call.token]:
            yield Finding(Kind.EVENT_MISSING, call.audit, str(call))


def _faults_of_event(event: Told, write: Write | None) -> Iterator[Kind]:
    if write is None or write.audit != event.audit:
        yield Kind.EVENT_OF_NOTHING
        return
    left = write.old.state if write.old and write.old.state != write.new.state else None
    if event.old != left:
        yield Kind.EVENT_OLD_STATE
    done = "delete" if write.new.deleted else "update" if write.old else "create"
    if event.kind != done:
        yield Kind.EVENT_KIND


def _of_sights(history: History, chains: Chains) -> Iterator[Finding]:
    places = {
        (audit, write.new.token, write.new.state): place
        for audit, chain in chains.items()
        for place, write in enumerate(chain)
    }
    for sights in history.sights.values():
        yield from _of_one_reader(sights, places)


def _of_one_reader(
    sights: Iterable[Sight], places: dict[tuple[str, str | None, str | None], int]
) -> Iterator[Finding]:
    read: dict[str, int] = {}
    for sight in sights:
        place = places.get((sight.audit, sight.token, sight.state))
        if place is None or sight.state == State.DELETED:
            yield Finding(Kind.IMPOSSIBLE_READ, sight.audit, str(sight))
        elif place < read.get(sight.audit, 0):
            yield Finding(Kind.READ_BACKWARDS, sight.audit, str(sight))
        else:
            read[sight.audit] = place
