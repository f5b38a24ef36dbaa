# SPDX-License-Identifier: Apache-2.0
"""What differs between Watcher alone and Watcher on our objects, and why."""

from typing import NamedTuple

from tests.deployment.report import Report


class Difference(NamedTuple):
    """A fact that differs on purpose: what it contains with Watcher alone and on our objects."""

    fact: str
    watcher: str
    ours: str
    reason: str


ABSENT = ""
DIFFERENCES = (
    Difference(
        "audit_cancelled: GET /v1/audits/<uuid> #1",
        '"state": "SUCCEEDED"',
        '"state": "CANCELLED"',
        "An audit that was cancelled while it ran stays cancelled; Watcher's engine overwrites "
        "the state when it has finished.",
    ),
    Difference("audit cancelled", "SUCCEEDED", "CANCELLED", "The same."),
)


class Comparison(NamedTuple):
    """The reports of both deployments."""

    watcher: Report
    ours: Report

    def unexpected(self):
        """Return the facts that differ without being in :data:`DIFFERENCES`, or only there."""
        watcher, ours = self.watcher.facts, self.ours.facts
        listed = {difference.fact: difference for difference in DIFFERENCES}
        found = []
        for fact in sorted(watcher.keys() | ours.keys()):
            before, after = watcher.get(fact, ABSENT), ours.get(fact, ABSENT)
            if fact in listed:
                _, theirs, own, _ = listed[fact]
                is_expected = theirs in before and before.replace(theirs, own) == after
            else:
                is_expected = before == after
            if not is_expected:
                found.append(f"{fact}\n  Watcher: {before}\n  ours:    {after}")
        return found

    def table(self):
        """Return the figures as text."""
        watcher, ours = self.watcher, self.ours
        rows = [
            ("", "Watcher", "ours"),
            ("calls during the database restart", watcher.calls, ours.calls),
            ("... failed", watcher.failed_calls, ours.failed_calls),
            ("audits run twice", len(watcher.run_twice), len(ours.run_twice)),
            ("notifications", len(watcher.notifications), len(ours.notifications)),
            ("... with a wrong old state", watcher.wrong_old_states, ours.wrong_old_states),
        ]
        for name, unit in (("errors", ""), ("memory", " MB"), ("latency", " ms, n, median, max")):
            before, after = getattr(watcher, name), getattr(ours, name)
            rows += [
                (f"{name} {key}{unit}", before.get(key, 0), after.get(key, 0))
                for key in sorted(before.keys() | after.keys())
            ]
        lines = [f"{name:<66}{theirs!s:>20}{own!s:>20}\n" for name, theirs, own in rows]
        for fact, theirs, own, reason in DIFFERENCES:
            lines.append(f"{fact}: {theirs or 'absent'} / {own or 'absent'}\n    {reason}\n")
        return "".join(lines)
