# SPDX-License-Identifier: Apache-2.0
"""The check of a run: what the workers logged, compared with what the database recorded."""

import collections
import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.chaos.history import FAIL, OK, READS, Call, Event, History, Records, Sight, Write
from watcher_objects import exception
from watcher_objects.states import AuditStateTransitionManager, State


class Kind(enum.StrEnum):
    """What can be wrong."""

    ILLEGAL_MOVE = "a transition that the table does not have"
    FALSE_CLAIM = "a successful claim of an audit that was claimed already"
    LEFT_OVER = "an audit that nobody claimed"
    BROKEN_CHAIN = "a write that does not begin where the last one ended"
    HALF_WRITTEN = "inconsistent state, deleted and deleted_at"
    AFTER_DELETION = "a write to a deleted row"
    UNREQUESTED = "a write that no call of this audit requested"
    OTHER_STATE = "a write of another state than its call requested"
    LOST = "a successful call that wrote nothing"
    TWICE = "a call that wrote more than once"
    DONE_ALTHOUGH_REFUSED = "a refused call that wrote"
    ERROR = "an error that is not a refusal reached the caller"
    OPEN = "an error that leaves the outcome open reached the caller"
    EVENT_OF_NOTHING = "an event of a write that did not happen"
    EVENT_REPEATED = "a write published more than once"
    EVENT_MISSING = "a successful call that published nothing"
    EVENT_OLD_STATE = "an event with another old state than the row's"
    EVENT_KIND = "an event of another kind than the write"
    JOURNAL = "a journal with other transitions than the row has made"
    IMPOSSIBLE_READ = "a read of what was in no row"
    READ_BACKWARDS = "a read of a version older than one that the same worker had read"


#: What is wrong with events.
OF_EVENTS = frozenset(kind for kind in Kind if kind.name.startswith("EVENT"))


class Finding(NamedTuple):
    kind: Kind
    audit: str
    detail: str


Chains = dict[str, list[Write]]


def check(history: History, records: Records) -> list[Finding]:
    """Return all that is wrong with a run."""
    chains: Chains = collections.defaultdict(list)
    for write in records.writes:
        chains[write.audit].append(write)
    return [
        *check_chains(records, chains),
        *_check_journal(records, chains),
        *_check_writes(history, records),
        *check_calls(history, records.writes),
        *_check_events(history, records),
        *_check_sights(history.sights, chains),
    ]


def left_over(records: Records) -> list[Finding]:
    """Return the audits that are PENDING still."""
    return [
        Finding(Kind.LEFT_OVER, audit, str(version))
        for audit, (version, _) in records.rows.items()
        if version.state == State.PENDING
    ]


def check_chains(records: Records, chains: Chains) -> Iterator[Finding]:
    """Return where a row has been written without a record, or out of order."""
    for audit in chains.keys() | records.rows.keys():
        last = None
        for write in chains.get(audit, ()):
            if write.old != last:
                yield Finding(Kind.BROKEN_CHAIN, audit, f"{last} is followed by {write}")
            last = write.new
        now, _ = records.rows.get(audit, (None, ""))
        if now != last:
            yield Finding(Kind.BROKEN_CHAIN, audit, f"{last} was written, the row has {now}")


def _check_journal(records: Records, chains: Chains) -> Iterator[Finding]:
    for audit in chains.keys() | records.journal.keys():
        made = [(w.old and w.old.state, w.new.state) for w in chains.get(audit, ())]
        moves = [(old, new) for old, new in made if old != new]
        recorded = records.journal.get(audit, [])
        if recorded != [(number, *move) for number, move in enumerate(moves, 1)]:
            yield Finding(Kind.JOURNAL, audit, f"{recorded} of {moves}")


def _check_writes(history: History, records: Records) -> Iterator[Finding]:
    for write in records.writes:
        _, audit_type = records.rows.get(write.audit, (None, ""))
        call = history.calls.get(write.new.token or "")
        for kind in _faults_of_write(write, call, audit_type):
            yield Finding(kind, write.audit, str(write))


def _faults_of_write(write: Write, call: Call | None, audit_type: str) -> Iterator[Kind]:
    old, new = write.old, write.new
    is_deleted = new.state == State.DELETED
    if (new.deleted, new.is_dated) != (write.id if is_deleted else 0, is_deleted):
        yield Kind.HALF_WRITTEN
    if old and (old.deleted or old.state == State.DELETED):
        yield Kind.AFTER_DELETION
    if call is None or call.audit != write.audit or call.op in READS:
        yield Kind.UNREQUESTED
    elif new.state != (call.to or (old and old.state)):
        yield Kind.OTHER_STATE
    if not _is_legal(write, call, audit_type):
        is_claim = call and (call.op, call.result) == ("claim", OK)
        yield Kind.FALSE_CLAIM if is_claim else Kind.ILLEGAL_MOVE


def _is_legal(write: Write, call: Call | None, audit_type: str) -> bool:
    if write.old is None:
        return write.new.state == AuditStateTransitionManager.INITIAL
    old, new = write.old.state, write.new.state
    if old == new:
        return call is not None and call.to is None
    return is_transition(old, new or "", audit_type)


def is_transition(old: str | None, new: str, audit_type: str) -> bool:
    """Return whether the table has a transition of audits of a type."""
    needed = AuditStateTransitionManager.condition(old, new)
    return needed is not None and needed.items() <= {"audit_type": audit_type}.items()


def check_calls(history: History, writes: Iterable[Write]) -> Iterator[Finding]:
    """Return what is wrong with calls, by the writes that they have made."""
    written = collections.Counter(write.new.token for write in writes)
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


def _check_events(history: History, records: Records) -> Iterator[Finding]:
    written = {write.new.token: write for write in records.writes}
    published = collections.Counter(event.token for event in history.events)
    for event in history.events:
        for kind in _faults_of_event(event, written.get(event.token)):
            yield Finding(kind, event.audit, f"{event} of {written.get(event.token)}")
    for call in history.calls.values():
        if published[call.token] > 1:
            yield Finding(Kind.EVENT_REPEATED, call.audit, str(call))
        if call.result == OK and call.op not in READS and not published[call.token]:
            yield Finding(Kind.EVENT_MISSING, call.audit, str(call))


def _faults_of_event(event: Event, write: Write | None) -> Iterator[Kind]:
    if write is None or write.audit != event.audit:
        yield Kind.EVENT_OF_NOTHING
        return
    left = write.old.state if write.old and write.old.state != write.new.state else None
    if event.old != left:
        yield Kind.EVENT_OLD_STATE
    if event.kind != ("delete" if write.new.deleted else "update" if write.old else "create"):
        yield Kind.EVENT_KIND


def _check_sights(sights: Sequence[Iterable[Sight]], chains: Chains) -> Iterator[Finding]:
    positions = {
        (audit, write.new.token, write.new.state): position
        for audit, chain in chains.items()
        for position, write in enumerate(chain)
    }
    for one_reader in sights:
        newest: dict[str, int] = {}
        for sight in one_reader:
            position = positions.get(sight)
            if position is None or sight.state == State.DELETED:
                yield Finding(Kind.IMPOSSIBLE_READ, sight.audit, str(sight))
            elif position < newest.get(sight.audit, 0):
                yield Finding(Kind.READ_BACKWARDS, sight.audit, str(sight))
            else:
                newest[sight.audit] = position
